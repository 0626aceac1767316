"""What the command line shows to people: lines of plain text, safe for a terminal.

Knows layout and what a terminal would obey. Everything that callers, models or upstreams have said goes through
`harmless` before it is shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

_OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"
"""Without them some scripts and many emoji fall apart; they turn nothing around."""


def harmless(text: str) -> str:
    """The text on one line, with all that moves a cursor, colours, turns around or hides written out: `\\x1b[2J`."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) in _OBEYED and character not in _JOINERS:
        return character.encode("unicode_escape").decode()
    return character


def harmless_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(harmless(line) for line in text.split("\n"))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns two blanks apart, the last as long as it is."""
    shown = [list(header), *([harmless(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in shown) for place in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def pairs(named: Sequence[tuple[str, object]]) -> list[str]:
    """One named value a line; those that are not there are left out."""
    there = [(name, harmless(str(value))) for name, value in named if value not in (None, "")]
    width = max((len(name) for name, _ in there), default=0)
    return [f"{name.ljust(width)}  {value}" for name, value in there]


def moment(at: str | None) -> str:
    """An instant of the API, `2026-11-26T23:59:40.371Z`, as people read it, still in UTC."""
    return at[:19].replace("T", " ") if at else ""


def since(start: str | None, at: str | None) -> float | None:
    """Seconds from one instant of the API to another."""
    if start is None or at is None:
        return None
    return (datetime.fromisoformat(at) - datetime.fromisoformat(start)).total_seconds()


def duration(call: dict[str, Any]) -> str:
    """From the answer to the end: `1:02`; blank where it has none."""
    seconds = since(call["answered_at"], call["ended_at"])
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def ending(call: dict[str, Any]) -> str:
    """Why a call is over, and how certain that is."""
    if call["failure"]:
        return f"failed: {call['failure']['code']}"
    return f"{call['end']['reason']} ({call['end']['certainty']})" if call["end"] else ""
