"""`python -m observer.redactor`: takes events on its standard input and gives them back redacted.

A process of its own, because a pattern that runs away holds the interpreter's lock: only a kill ends it. Knows one
profile's rules and no call. Nothing that an operator's function prints, and no traceback, leaves it: they hold words.

    parent → child   rules as JSON; then, for each event, one byte for its source and the event's bytes
    child → parent   READY once; then, for each event, DONE and the redacted event, or FAILED and the error's name

Each frame is four bytes of length, the greatest first, and so many bytes.
"""

from __future__ import annotations

import json
import os
import signal
import struct
from typing import BinaryIO

from realtime.content import BROWSER, UPSTREAM, encoded, redacted
from realtime.events import read as read_event
from realtime.redaction import Redaction, Replace

SOURCES = (UPSTREAM, BROWSER, "observer")
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
    rules = json.loads(_take(asks) or b"{}")
    replace = Redaction(tuple(rules["patterns"]), rules["function"]).compiled()
    _give(tells, READY)
    while frame := _take(asks):
        signal.setitimer(signal.ITIMER_REAL, ORPHAN_SECONDS)  # its default is the process's end
        _give(tells, _answer(SOURCES[frame[0]], frame[1:], replace))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(source: str, raw: bytes, replace: Replace) -> bytes:
    event = read_event(raw)
    if event is None:
        return FAILED + b"unreadable"
    try:
        return DONE + encoded(redacted(event, source, replace))
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
