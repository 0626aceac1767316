"""How long the client waits at most, what it does not follow, and what it keeps: connections, TLS, secrets."""

from __future__ import annotations

import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from realtime import endpoints
from realtime.client import Client, tls_context
from realtime.credential import ApiKey
from realtime.deadline import Deadline
from realtime.errors import (
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from realtime.secret import Secret
from tests.realtime.steps import (
    ANSWER,
    KEY,
    OFFER,
    PLACE,
    SESSION,
    Does,
    answering,
    in_turn,
    minting,
    soon,
)

if TYPE_CHECKING:
    from tests.realtime.conftest import Line, TinyUpstream


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
