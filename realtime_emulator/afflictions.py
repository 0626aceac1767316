"""What can go wrong on one sideband after it attached, each by the name under which it was asked for.

Knows the faults and what they look like on the wire. When they are armed, and how often, is mishaps.py's.
"""

from collections.abc import Callable

from aiohttp import WSMsgType

from realtime_emulator.ledger import digest_of
from realtime_emulator.line import Line
from realtime_emulator.mishaps import (
    DEAF,
    DROP_SIDEBAND,
    FLOOD,
    HALF_OPEN,
    OVERSIZE,
    POISON,
    RESET,
    SERVER_ERROR,
    SILENT_SIDEBAND,
)
from realtime_emulator.sideband import Sideband

Later = Callable[[float, Callable[[], None]], None]
"""Do something so many seconds from now."""

POISONS: tuple[tuple[bytes, int], ...] = (
    (b'{"type":"poison.utf8","event_id":"\xff\xfe"}', WSMsgType.TEXT),
    (b'{"type":"poison.binary"}', WSMsgType.BINARY),
    (b"not json at all", WSMsgType.TEXT),
    (b'["no","object"]', WSMsgType.TEXT),
    (b'{"type":"poison.nan","value":NaN}', WSMsgType.TEXT),
    (b'{"type":"poison.nul\\u0000","event_id":"a\\u0000b"}', WSMsgType.TEXT),
    (b'{"type":"poison.surrogate","event_id":"\\ud800"}', WSMsgType.TEXT),
    (b'{"type":"poison.huge","value":1' + b"0" * 5_000 + b"}", WSMsgType.TEXT),
    (b'{"type":"poison.deep","value":' + b"[" * 2_000 + b"]" * 2_000 + b"}", WSMsgType.TEXT),
    (b'{"type":"poison.twice","type":"poison.other"}', WSMsgType.TEXT),
    (b'{"event_id":"event_without_type"}', WSMsgType.TEXT),
    (b'{"type":7,"event_id":["odd"]}', WSMsgType.TEXT),
    (b"", WSMsgType.TEXT),
)
"""Frames that a careless reader dies of, and their opcodes."""


def befall(sideband: Sideband, line: Line, later: Later) -> None:
    """Whatever is armed for this call's sidebands happens to this one, each in its time."""
    call_id, take = line.call_id, line.mishaps.take
    if fault := take(SERVER_ERROR, call_id):
        error = {"type": "server_error", "message": _server_error(line.session.id)}
        later(fault["ms"] / 1000, lambda: line.trouble(error, sideband))
    if fault := take(DROP_SIDEBAND, call_id):
        code = fault["code"]
        later(fault["ms"] / 1000, lambda: sideband.finish(code, ""))
    if fault := take(SILENT_SIDEBAND, call_id):
        later(fault["ms"] / 1000, sideband.fall_silent)
    if fault := take(HALF_OPEN, call_id):
        later(fault["ms"] / 1000, sideband.die_quietly)
    if fault := take(DEAF, call_id):
        later(fault["ms"] / 1000, sideband.stop_reading)
    if fault := take(RESET, call_id):
        later(fault["ms"] / 1000, sideband.reset)
    if fault := take(OVERSIZE, call_id):
        size = fault["bytes"]
        later(fault["ms"] / 1000, lambda: _say_much(line, sideband, size))
    if fault := take(FLOOD, call_id):
        events = fault["events"]
        later(fault["ms"] / 1000, lambda: _flood(line, sideband, events))
    if fault := take(POISON, call_id):
        later(fault["ms"] / 1000, lambda: _poison(line, sideband))


def _say_much(line: Line, sideband: Sideband, size: int) -> None:
    line.tell(sideband, "response.output_audio_transcript.delta", delta="x" * size)


def _flood(line: Line, sideband: Sideband, events: int) -> None:
    for _ in range(events):
        line.tell(sideband, "response.output_audio_transcript.delta", delta="flood")


def _poison(line: Line, sideband: Sideband) -> None:
    for payload, opcode in POISONS:
        at, sent = line.ledger.now(), sideband.send_frame(payload, opcode)
        line.record.events.note("poison", "", at, int(sent), channel=False, digest=digest_of(payload))


def _server_error(session_id: str) -> str:
    """As met on Azure, September 2025: code, parameter and event id are all null."""
    return (
        "The server had an error while processing your request. Sorry about that! You can retry your request,"
        f" or contact support if the error persists. Please include the session ID {session_id} in your message."
    )
