"""`python -m observer.redactor`: takes events on its standard input and gives them back redacted; or takes texts, and
says whether they break a guardrail.

A process of its own, because a pattern that runs away holds the interpreter's lock: only a kill ends it. Knows one
profile's rules and no call. Nothing that an operator's function prints, and no traceback, leaves it: they hold words.

    parent → child   {"redact": rules} or {"judge": {name: rules}}; then, to redact, one byte for an event's source and
                     the event's bytes; to judge, {"rule", "text", "context"}
    child → parent   READY once; then DONE and the redacted event, or the reason why the text breaks the rule (empty
                     where it doesn't); or FAILED and the error's name

Each frame is four bytes of length, the greatest first, and so many bytes.
"""

from __future__ import annotations

import json
import os
import signal
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, get_args

from realtime.content import LineSource, encoded, redacted
from realtime.events import read as read_event
from realtime.guardrails import Guardrail, Judge
from realtime.redaction import Redaction, Replace

SOURCES = get_args(LineSource)
LENGTH = struct.Struct(">I")
READY, DONE, FAILED = b"r", b"d", b"f"
ORPHAN_SECONDS = 30.0
"""A parent that lives kills us long before; one that was killed can't."""


def main() -> None:
    """Serve until the parent closes the line."""
    asks, tells = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.nice(5)
    answer = _answering(json.loads(_take(asks) or b"{}"))
    _give(tells, READY)
    while frame := _take(asks):
        signal.setitimer(signal.ITIMER_REAL, ORPHAN_SECONDS)  # its default is the process's end
        _give(tells, _answer(frame, answer))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answering(rules: dict[str, Any]) -> Callable[[bytes], bytes]:
    if "redact" in rules:
        return _redacting(Redaction(**rules["redact"]).compiled())
    return _judging({name: Guardrail(**rule).compiled() for name, rule in rules["judge"].items()})


def _redacting(replace: Replace) -> Callable[[bytes], bytes]:
    def answer(frame: bytes) -> bytes:
        event = read_event(frame[1:])
        if event is None:
            raise _Unreadable
        return encoded(redacted(event, SOURCES[frame[0]], replace))

    return answer


def _judging(judges: dict[str, Judge]) -> Callable[[bytes], bytes]:
    def answer(frame: bytes) -> bytes:
        asked = json.loads(frame)
        return (judges[asked["rule"]](asked["text"], asked["context"]) or "").encode()

    return answer


class _Unreadable(Exception):
    """What came is no event."""


def _answer(frame: bytes, answer: Callable[[bytes], bytes]) -> bytes:
    try:
        return DONE + answer(frame)
    except _Unreadable:
        return FAILED + b"unreadable"
    except Exception as error:  # noqa: BLE001  # an operator's function may raise anything
        # The error's name is told; its words may be the caller's.
        return FAILED + type(error).__name__.encode()


def _take(asks: BinaryIO) -> bytes | None:
    head = asks.read(LENGTH.size)
    return asks.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None


def _give(tells: BinaryIO, frame: bytes) -> None:
    tells.write(LENGTH.pack(len(frame)) + frame)
    tells.flush()


if __name__ == "__main__":
    main()
