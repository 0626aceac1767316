"""Mint, negotiate, hang up: against a tiny upstream on a real socket, and `responses` for single answers."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import responses

from realtime import endpoints
from realtime.client import ANSWER_LIMIT, Client, tls_context
from realtime.credential import ApiKey
from realtime.deadline import Deadline
from realtime.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRefused,
    UpstreamUnreachable,
)
from realtime.secret import Secret

if TYPE_CHECKING:
    from tests.realtime.conftest import Line, TinyUpstream

KEY = "canary-key"
OFFER = b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=\xc3\xbc\r\n"
ANSWER = b"v=0\r\no=- 2 2 IN IP4 0.0.0.0\r\ns=-\r\n"
SESSION = {"type": "realtime", "model": "gpt-realtime"}
PLACE = "/v1/realtime/calls/rtc_abc"
MINTED = {"value": "ek_canary", "expires_at": 1784873582, "session": {"id": "sess_1"}}
Does = Callable[["Line"], None]


@pytest.fixture
def azure(upstream: TinyUpstream) -> Iterator[Client]:
    client = Client(endpoints.azure(upstream.address), ApiKey("azure", Secret(KEY)))
    yield client
    client.close()


@pytest.fixture
def openai(upstream: TinyUpstream) -> Iterator[Client]:
    client = Client(endpoints.openai(upstream.address), ApiKey("openai", Secret(KEY)))
    yield client
    client.close()


def in_turn(*steps: Does) -> Does:
    """Each request is answered by the next step, the last one for ever."""
    left = list(steps)
    return lambda line: (left.pop(0) if len(left) > 1 else left[0])(line)


def minting(line: Line) -> None:
    line.answer_json(200, MINTED, apim_request_id="mint-1")


def answering(line: Line) -> None:
    line.answer(
        201, ANSWER, Location=PLACE, Content_Type="text/plain; charset=utf-8", apim_request_id="call-1"
    )


def soon() -> Deadline:
    return Deadline(5)


# Azure


def test_azure_mints_and_then_sends_the_raw_offer_with_the_ephemeral_secret(
    azure: Client, upstream: TinyUpstream
) -> None:
    upstream.does = in_turn(minting, answering)
    negotiated = azure.negotiate(OFFER, SESSION, soon())
    assert (negotiated.answer, negotiated.upstream_call_id, negotiated.request_id) == (
        ANSWER,
        "rtc_abc",
        "call-1",
    )
    mint, call = upstream.lines
    assert upstream.paths() == [
        "/openai/v1/realtime/client_secrets",
        "/openai/v1/realtime/calls?webrtcfilter=on",
    ]
    assert json.loads(mint.body) == {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": SESSION,
    }
    assert (mint.headers["api-key"], mint.headers["content-type"]) == (KEY, "application/json")
    assert call.body == OFFER
    assert (call.headers["authorization"], call.headers["content-type"]) == (
        "Bearer ek_canary",
        "application/sdp",
    )
    assert "api-key" not in call.headers


def test_azure_is_read_as_it_was_recorded(
    azure: Client, upstream: TinyUpstream, exchanges: dict[str, list[dict[str, Any]]]
) -> None:
    mint, call = (exchange["response"] for exchange in exchanges["azure_mint_and_call"])

    def replay(line: Line) -> None:
        recorded = call if "/calls" in line.path else mint
        body = recorded["text"] if "text" in recorded else json.dumps(recorded["json"])
        headers = {k.replace("-", "_"): v for k, v in recorded["headers"].items() if k != "content-length"}
        line.answer(recorded["status"], body.encode(), **headers)

    upstream.does = replay
    negotiated = azure.negotiate(OFFER, SESSION, soon())
    assert negotiated.answer == call["text"].encode()
    assert negotiated.upstream_call_id == "rtc_674c95ac084a4128a91c2fd1f7ff30f4"
    assert negotiated.request_id == call["headers"]["apim-request-id"]


def test_mint_asks_for_the_life_it_is_told(azure: Client, upstream: TinyUpstream) -> None:
    upstream.does = minting
    minted = azure.mint(SESSION, 90, soon())
    assert json.loads(upstream.lines[0].body)["expires_after"]["seconds"] == 90
    assert (minted.value.reveal(), minted.expires_at, minted.session_id) == (
        "ek_canary",
        1784873582,
        "sess_1",
    )


# OpenAI


def test_openai_gets_one_multipart_request_without_file_names(openai: Client, upstream: TinyUpstream) -> None:
    upstream.does = answering
    assert openai.negotiate(OFFER, SESSION, soon()).upstream_call_id == "rtc_abc"
    (call,) = upstream.lines
    assert call.path == "/v1/realtime/calls"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    kind, _, boundary = call.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    sdp, session = call.body.split(b"--" + boundary.encode())[1:3]
    assert sdp == (
        b'\r\nContent-Disposition: form-data; name="sdp"\r\nContent-Type: application/sdp\r\n\r\n'
        + OFFER
        + b"\r\n"
    )
    head, _, body = session.partition(b"\r\n\r\n")
    assert head == b'\r\nContent-Disposition: form-data; name="session"\r\nContent-Type: application/json'
    assert json.loads(body) == SESSION
    assert b"filename" not in call.body


@responses.activate
def test_openai_is_read_as_it_was_recorded(exchanges: dict[str, list[dict[str, Any]]]) -> None:
    recorded = exchanges["openai_call"][0]["response"]
    responses.add(
        responses.POST,
        "https://api.openai.com/v1/realtime/calls",
        body=recorded["text"].encode(),
        status=recorded["status"],
        headers={"Location": recorded["headers"]["location"], "x-request-id": "req_1"},
        content_type="text/plain; charset=utf-8",
    )
    negotiated = Client(endpoints.openai(), ApiKey("openai", Secret(KEY))).negotiate(OFFER, SESSION, soon())
    assert negotiated.answer == recorded["text"].encode()
    assert (negotiated.upstream_call_id, negotiated.request_id) == ("rtc_u0_E4TeWIkEAnw5DOa1vyO18", "req_1")


# What an answer may look like


def test_200_is_as_good_as_201_and_a_missing_location_is_no_id(
    openai: Client, upstream: TinyUpstream
) -> None:
    upstream.does = in_turn(
        lambda line: line.answer(200, ANSWER, Location=PLACE), lambda line: line.answer(201, ANSWER)
    )
    assert openai.negotiate(OFFER, SESSION, soon()).upstream_call_id == "rtc_abc"
    assert openai.negotiate(OFFER, SESSION, soon()).upstream_call_id is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b" v=0\r\n", b"\xff\xfe", b"v=1\r\n"])
def test_a_body_that_is_no_sdp_names_the_call_to_hang_up(
    openai: Client, upstream: TinyUpstream, body: bytes
) -> None:
    upstream.does = lambda line: line.answer(201, body, Location=PLACE, x_request_id="req_9")
    with pytest.raises(UpstreamGarbled) as refused:
        openai.negotiate(OFFER, SESSION, soon())
    assert (refused.value.upstream_call_id, refused.value.request_id) == ("rtc_abc", "req_9")


@pytest.mark.parametrize("status", [202, 204])
def test_another_success_is_garbled_and_names_the_call(
    openai: Client, upstream: TinyUpstream, status: int
) -> None:
    upstream.does = lambda line: line.answer(status, b"" if status == 204 else ANSWER, Location=PLACE)
    with pytest.raises(UpstreamGarbled) as refused:
        openai.negotiate(OFFER, SESSION, soon())
    assert refused.value.upstream_call_id == "rtc_abc"


def test_an_evil_location_is_garbled(openai: Client, upstream: TinyUpstream) -> None:
    upstream.does = lambda line: line.answer(201, ANSWER, Location="/calls/rtc_a%2f..", x_request_id="req_9")
    with pytest.raises(UpstreamGarbled) as refused:
        openai.negotiate(OFFER, SESSION, soon())
    assert (refused.value.upstream_call_id, refused.value.request_id) == (None, "req_9")


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_an_answer_is_read_up_to_its_limit(openai: Client, upstream: TinyUpstream, spare: int) -> None:
    body = ANSWER.ljust(ANSWER_LIMIT + spare, b"x")
    upstream.does = lambda line: line.answer(201, body, Location=PLACE)
    if spare <= 0:
        assert openai.negotiate(OFFER, SESSION, soon()).answer == body
        return
    with pytest.raises(UpstreamGarbled) as refused:
        openai.negotiate(OFFER, SESSION, soon())
    assert refused.value.upstream_call_id == "rtc_abc"


def test_a_chunked_answer_is_an_answer(openai: Client, upstream: TinyUpstream) -> None:
    head = f"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\nLocation: {PLACE}\r\n\r\n".encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, ANSWER[i : i + 1]) for i in range(len(ANSWER))) + b"0\r\n\r\n"
    upstream.does = lambda line: line.send(head + chunks)
    assert openai.negotiate(OFFER, SESSION, soon()).answer == ANSWER


# What may be repeated


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503])
def test_mint_is_tried_three_times_at_most(azure: Client, upstream: TinyUpstream, status: int) -> None:
    upstream.does = lambda line: line.answer(status)
    with pytest.raises(UpstreamRefused):
        azure.mint(SESSION, 60, soon())
    assert len(upstream.lines) == 3
    upstream.does = in_turn(lambda line: line.answer(status), lambda line: line.reset(), minting)
    assert azure.mint(SESSION, 60, soon()).expires_at == 1784873582


@pytest.mark.parametrize("status", [400, 403, 404, 422, 429, 302])
def test_mint_is_not_repeated_where_that_would_not_help(
    azure: Client, upstream: TinyUpstream, status: int
) -> None:
    upstream.does = lambda line: line.answer(status, Retry_After="7")
    with pytest.raises(UpstreamRefused) as refused:
        azure.mint(SESSION, 60, soon())
    assert len(upstream.lines) == 1
    assert refused.value.retry_after == (7 if status == 429 else None)


def test_mint_asks_for_fresh_headers_once_after_401(upstream: TinyUpstream) -> None:
    class Rotating:
        asked = 0

        def headers(self) -> dict[str, str]:
            self.asked += 1
            return {"api-key": f"key-{self.asked}"}

        def renew(self, refused: dict[str, str]) -> None: ...

    client = Client(endpoints.azure(upstream.address), Rotating())
    upstream.does = in_turn(lambda line: line.answer(401), minting)
    client.mint(SESSION, 60, soon())
    assert [line.headers["api-key"] for line in upstream.lines] == ["key-1", "key-2"]
    upstream.does = lambda line: line.answer(401)
    with pytest.raises(UpstreamRefused) as refused:
        client.mint(SESSION, 60, soon())
    assert (refused.value.status, refused.value.code, len(upstream.lines)) == (502, "upstream_auth", 4)
    client.close()


@pytest.mark.parametrize("status", [400, 408, 409, 429, 500, 503])
def test_a_call_is_never_repeated_after_an_answer(
    openai: Client, upstream: TinyUpstream, status: int
) -> None:
    upstream.does = lambda line: line.answer(status)
    with pytest.raises(UpstreamRefused):
        openai.negotiate(OFFER, SESSION, soon())
    assert len(upstream.lines) == 1


def test_a_call_is_repeated_once_after_401_since_nothing_was_opened(
    openai: Client, upstream: TinyUpstream
) -> None:
    upstream.does = in_turn(lambda line: line.answer(401), answering)
    assert openai.negotiate(OFFER, SESSION, soon()).upstream_call_id == "rtc_abc"
    upstream.does = lambda line: line.answer(401)
    with pytest.raises(UpstreamRefused):
        openai.negotiate(OFFER, SESSION, soon())
    assert len(upstream.lines) == 4


def test_a_call_is_not_repeated_when_the_line_breaks_after_the_request(
    openai: Client, upstream: TinyUpstream
) -> None:
    upstream.does = lambda line: line.reset()
    with pytest.raises(UpstreamUnreachable) as refused:
        openai.negotiate(OFFER, SESSION, soon())
    assert (refused.value.status, refused.value.code) == (502, "upstream_unreachable")
    assert len(upstream.lines) == 1


def test_a_break_within_the_answer_names_the_call(openai: Client, upstream: TinyUpstream) -> None:
    def cut(line: Line) -> None:
        line.send(f"HTTP/1.1 201 X\r\nContent-Length: 500\r\nLocation: {PLACE}\r\n\r\nv=0".encode())
        line.reset()

    upstream.does = cut
    with pytest.raises(UpstreamUnreachable) as refused:
        openai.negotiate(OFFER, SESSION, soon())
    assert refused.value.upstream_call_id == "rtc_abc"


def test_nobody_listening_is_told_quickly(upstream: TinyUpstream) -> None:
    upstream.close()
    client = Client(endpoints.azure(upstream.address), ApiKey("azure", Secret(KEY)))
    begun = time.monotonic()
    with pytest.raises(UpstreamUnreachable) as refused:
        client.negotiate(OFFER, SESSION, soon())
    assert refused.value.code == "upstream_unreachable"
    assert time.monotonic() - begun < 2


# The deadline


def hanging(line: Line) -> None:
    line.hang()


def dripping_headers(line: Line) -> None:
    line.drip(b"HTTP/1.1 201 X\r\n" + b"X-Long: y\r\n" * 1000)


def dripping_body(line: Line) -> None:
    line.send(f"HTTP/1.1 201 X\r\nContent-Length: 5000\r\nLocation: {PLACE}\r\n\r\n".encode())
    line.drip(ANSWER * 100)


def dripping_last_body(line: Line) -> None:
    line.send(f"HTTP/1.1 201 X\r\nConnection: close\r\nLocation: {PLACE}\r\n\r\n".encode())
    line.drip(ANSWER * 100)


@pytest.mark.parametrize("does", [hanging, dripping_headers, dripping_body, dripping_last_body])
def test_no_way_of_being_slow_outlasts_the_deadline(
    openai: Client, upstream: TinyUpstream, does: Does
) -> None:
    upstream.does = does
    begun = time.monotonic()
    with pytest.raises(UpstreamUnreachable) as refused:
        openai.negotiate(OFFER, SESSION, Deadline(0.4))
    assert 0.3 < time.monotonic() - begun < 1.0
    assert (refused.value.status, refused.value.code) == (504, "upstream_timeout")
    if does in (dripping_body, dripping_last_body):
        assert refused.value.upstream_call_id == "rtc_abc"


def test_a_body_that_stalls_late_has_only_the_rest_of_the_deadline(
    openai: Client, upstream: TinyUpstream
) -> None:
    def stall(line: Line) -> None:
        line.send(f"HTTP/1.1 201 X\r\nContent-Length: 5000\r\nLocation: {PLACE}\r\n\r\n".encode())
        upstream.over.wait(0.7)
        line.send(b"v=0")
        line.hang()

    upstream.does = stall
    begun = time.monotonic()
    with pytest.raises(UpstreamUnreachable):
        openai.negotiate(OFFER, SESSION, Deadline(0.9))
    assert time.monotonic() - begun < 1.4


def test_both_steps_share_one_deadline(azure: Client, upstream: TinyUpstream) -> None:
    def late(line: Line) -> None:
        upstream.over.wait(0.3)
        minting(line)

    upstream.does = in_turn(late, hanging)
    begun = time.monotonic()
    with pytest.raises(UpstreamUnreachable):
        azure.negotiate(OFFER, SESSION, Deadline(0.5))
    assert time.monotonic() - begun < 1.0


def test_nothing_is_sent_after_the_deadline(openai: Client, upstream: TinyUpstream) -> None:
    with pytest.raises(UpstreamUnreachable) as refused:
        openai.negotiate(OFFER, SESSION, Deadline(0))
    assert refused.value.status == 504
    assert upstream.lines == []


# What is not followed, and what is kept


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_its_location_no_call(
    openai: Client, upstream: TinyUpstream, status: int
) -> None:
    upstream.does = lambda line: line.answer(status, b"moved", Location=f"{upstream.address}/calls/rtc_evil")
    with pytest.raises(UpstreamRefused) as refused:
        openai.negotiate(OFFER, SESSION, soon())
    assert (refused.value.code, refused.value.upstream_call_id) == ("upstream_garbled", None)
    assert len(upstream.lines) == 1


def test_an_endless_redirect_is_not_read(openai: Client, upstream: TinyUpstream) -> None:
    def endless(line: Line) -> None:
        line.send(b"HTTP/1.1 302 X\r\nLocation: http://[::1/\r\n\r\n")
        while not line.over.is_set():
            line.send(b"x" * 65536)

    upstream.does = endless
    with pytest.raises(UpstreamRefused):
        openai.negotiate(OFFER, SESSION, soon())


def test_proxies_netrc_and_cookies_are_not_used(
    openai: Client, upstream: TinyUpstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    upstream.does = lambda line: line.answer(201, ANSWER, Location=PLACE, Set_Cookie="a=b; Path=/")
    openai.negotiate(OFFER, SESSION, soon())
    openai.negotiate(OFFER, SESSION, soon())
    assert {line.headers["authorization"] for line in upstream.lines} == {f"Bearer {KEY}"}
    assert not [line for line in upstream.lines if "cookie" in line.headers]


def test_connections_are_kept(azure: Client, upstream: TinyUpstream) -> None:
    upstream.does = lambda line: answering(line) if "/calls" in line.path else minting(line)
    for _ in range(5):
        azure.negotiate(OFFER, SESSION, soon())
    assert (len(upstream.lines), upstream.connections) == (10, 1)


# Hanging up


def test_hang_up_is_done_when_the_call_is_over_already(azure: Client, upstream: TinyUpstream) -> None:
    gone = {"error": {"code": "call_id_not_found", "message": "No session found"}}
    upstream.does = in_turn(
        lambda line: line.answer(200),
        lambda line: line.answer(404),
        lambda line: line.answer_json(400, gone),
        lambda line: line.answer(500),
        lambda line: line.answer(200),
    )
    assert [azure.hang_up("rtc_abc", soon()) for _ in range(4)] == [True, False, False, True]
    assert set(upstream.paths()) == {"/openai/v1/realtime/calls/rtc_abc/hangup"}
    assert {line.headers["api-key"] for line in upstream.lines} == {KEY}


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (401, 2), (403, 1), (500, 3)])
def test_hang_up_says_when_it_failed(
    azure: Client, upstream: TinyUpstream, status: int, attempts: int
) -> None:
    upstream.does = lambda line: line.answer(status)
    with pytest.raises(UpstreamRefused):
        azure.hang_up("rtc_abc", soon())
    assert len(upstream.lines) == attempts


# TLS and secrets


def test_tls_has_one_context_a_process_and_it_verifies() -> None:
    clients = [Client(endpoints.openai(), ApiKey("openai", Secret(KEY))) for _ in range(3)]
    adapters: list[Any] = [client._session.get_adapter("https://x") for client in clients]
    contexts = {id(adapter.poolmanager.connection_pool_kw["ssl_context"]) for adapter in adapters}
    assert contexts == {id(tls_context())}
    assert (tls_context().verify_mode, tls_context().check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_server_that_speaks_no_tls_is_unreachable(upstream: TinyUpstream) -> None:
    client = Client(
        endpoints.azure(upstream.address.replace("http:", "https:")), ApiKey("azure", Secret(KEY))
    )
    with pytest.raises(UpstreamUnreachable):
        client.negotiate(OFFER, SESSION, soon())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_error_shows_a_key_or_upstreams_words(openai: Client, upstream: TinyUpstream, status: int) -> None:
    upstream.does = lambda line: line.answer(status, b"CANARY words", x_request_id="req_1")
    with pytest.raises(UpstreamError) as refused:
        openai.negotiate(OFFER, SESSION, soon())
    shown = f"{refused.value} {refused.value!r} {refused.value.detail}"
    assert not [word for word in ("CANARY", KEY, "ek_canary") if word in shown]
    assert (refused.value.upstream_body, refused.value.request_id) == ("CANARY words", "req_1")


def test_many_threads_share_one_client(azure: Client, upstream: TinyUpstream) -> None:
    upstream.does = lambda line: answering(line) if "/calls" in line.path else minting(line)
    ids: list[str | None] = []

    def negotiate() -> None:
        ids.append(azure.negotiate(OFFER, SESSION, soon()).upstream_call_id)

    threads = [threading.Thread(target=negotiate) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert ids == ["rtc_abc"] * 16
