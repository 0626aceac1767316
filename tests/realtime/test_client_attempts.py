"""What the client tries again, and what it never repeats: a call may have been opened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from realtime import endpoints
from realtime.client import Client
from realtime.credential import ApiKey
from realtime.errors import (
    UpstreamRefused,
    UpstreamUnreachable,
)
from realtime.secret import Secret
from tests.realtime.steps import (
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
