"""What the client's tests send, and the steps by which the tiny upstream answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from realtime.deadline import Deadline

if TYPE_CHECKING:
    from tests.realtime.conftest import Line

KEY = "canary-key"
OFFER = b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=\xc3\xbc\r\n"
ANSWER = b"v=0\r\no=- 2 2 IN IP4 0.0.0.0\r\ns=-\r\n"
SESSION = {"type": "realtime", "model": "gpt-realtime"}
PLACE = "/v1/realtime/calls/rtc_abc"
MINTED = {"value": "ek_canary", "expires_at": 1784873582, "session": {"id": "sess_1"}}
Does = Callable[["Line"], None]


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
