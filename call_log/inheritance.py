"""What the earlier holders of calls left, as far as a new one must know it before it attaches. For many calls at once:
whoever takes over hundreds must not ask for each.

It knows how a log ends and whether there are commands; what they mean is the new holder's affair.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, case, select

from call_log.events import EventRow, last
from call_log.schema import calls, commands, events

ROWS = 20
"""So far back it is looked whether the last holder left."""
RECALLED_ROWS = 200
"""So far back a take-over looks before it records: what two sidebands heard both is newer."""
_HOLDERS = ("observer.attached", "observer.detached")
_DOUBTS = ("observer.attached", "observer.late", "observer.gap")
_ENDS = (
    select(
        events.c.number,
        events.c.at,
        events.c.source,
        events.c.type,
        case((events.c.type.in_(_HOLDERS), events.c.body)).label("body"),
    )
    .join(calls, (events.c.number == calls.c.number) & (events.c.seq > calls.c.last_seq - ROWS))
    .where(calls.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(events.c.number, events.c.seq)
)


class _Line(NamedTuple):
    """Of the end of a log; `body` only where a holder attached or left."""

    number: int
    at: int
    source: str
    type: str
    body: bytes | None


class LastWord(NamedTuple):
    """What a holder says of the last sideband that it had on a call. `whole`: all that was heard on it until `until_at`
    (UTC milliseconds) is in the log, or comes before this word. `code`, `reason`, `ours` (we closed it, and not the
    upstream) and `after_hang_up` tell how it closed; a holder that had none knows no code."""

    whole: bool
    until_at: int | None = None
    code: int | None = None
    reason: str = ""
    ours: bool = True
    after_hang_up: bool = False

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "LastWord":
        """Of what was written, perhaps by a version that writes less, or more."""
        return cls(**{name: said[name] for name in cls._fields if name in said})


class Inheritance(NamedTuple):
    """Of one call: when the last line of its log was heard; its last holder's word, where it had left its sideband;
    whether anything was ever asked to be sent on it; and the end of its log, where one call was asked for."""

    last_at: int | None
    word: LastWord | None
    has_commands: bool
    end: Sequence[EventRow] = ()


def of(db: Connection, last_seqs: Mapping[int, int]) -> dict[int, Inheritance]:
    """Of those of `{number: last_seq}` that had a holder before."""
    held = {number: last_seq for number, last_seq in last_seqs.items() if last_seq}
    if not held:
        return {}
    commanded = _commanded(db, held)
    lines = map(_Line._make, db.execute(_ENDS, {"numbers": list(held)}))
    ends = {number: list(end) for number, end in groupby(lines, key=attrgetter("number"))}
    return {number: _of(ends.get(number, []), number in commanded) for number in held}


def of_one(db: Connection, number: int) -> Inheritance:
    """Of a call that had a holder before."""
    end = last(db, number, limit=RECALLED_ROWS)
    return _of(end[-ROWS:], number in _commanded(db, [number]))._replace(end=end)


def doubts(end: Iterable[EventRow]) -> list[dict[str, int | None]]:
    """What may be missing, by the end of a log, since earlier holders changed: one of them took the call over while
    both listened, and never learned whether the one before it had written all. As an `observer.gap` tells of it:
    `after_seq`, `from_at` and `until_at` (UTC milliseconds)."""
    waiting: list[tuple[str, dict[str, int | None]]] = []
    before: EventRow | None = None
    for row in end:
        said = json.loads(row.body or b"{}") if row.source == "observer" and row.type in _DOUBTS else {}
        if "succeeds" in said:
            began = before.at if before else None
            waiting.append(
                (said["succeeds"], {"after_seq": row.seq - 1, "from_at": began, "until_at": row.at})
            )
        elif row.type == "observer.late" and said.get("whole"):
            waiting = [(node, doubt) for node, doubt in waiting if node != said["node"]]
        elif row.type == "observer.gap":
            waiting = [
                (node, doubt) for node, doubt in waiting if doubt["after_seq"] != said.get("after_seq")
            ]
        before = row
    return [doubt for _, doubt in waiting]


def _commanded(db: Connection, numbers: Iterable[int]) -> set[int]:
    return set(db.scalars(select(commands.c.number).where(commands.c.number.in_(numbers)).distinct()))


def _of(end: Sequence[_Line | EventRow], has_commands: bool) -> Inheritance:
    held = [line for line in end if line.source == "observer" and line.type in _HOLDERS]
    was_left = bool(held) and held[-1].type == "observer.detached"
    return Inheritance(end[-1].at if end else None, _word(held[-1]) if was_left else None, has_commands)


def _word(detached: _Line | EventRow) -> LastWord:
    said = json.loads(detached.body or b"{}")
    return LastWord.read({"whole": True, "until_at": detached.at} | said)
