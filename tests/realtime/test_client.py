"""Mint, negotiate, hang up: against a tiny upstream on a real socket, and `responses` for single answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import responses

from realtime import endpoints
from realtime.client import ANSWER_LIMIT, Client
from realtime.credential import ApiKey
from realtime.errors import (
    UpstreamGarbled,
    UpstreamRefused,
)
from realtime.secret import Secret
from tests.realtime.steps import (
    ANSWER,
    KEY,
    OFFER,
    PLACE,
    SESSION,
    answering,
    in_turn,
    minting,
    soon,
)

if TYPE_CHECKING:
    from tests.realtime.conftest import Line, TinyUpstream


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
