"""What the earlier holders of calls left, as far as a new one must know it before it attaches. For many calls at once:
whoever takes over hundreds must not ask for each.

It knows how a log ends and whether there are commands; what they mean is the new holder's affair.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from call_log.schema import commands, events

ROWS = 20
"""So far back it is looked whether the last holder left."""
_HOLDERS = ("observer.attached", "observer.detached")
_LAST = (
    select(events.c.seq, events.c.at, events.c.source, events.c.type)
    .where(events.c.number == bindparam("call"), events.c.seq > bindparam("behind"))
    .order_by(events.c.seq)
)


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
    """Of one call: when the last line of its log was heard; its last holder's word, where it had left its sideband; and
    whether anything was ever asked to be sent on it."""

    last_at: int | None
    word: LastWord | None
    has_commands: bool


def of(db: Connection, last_seqs: Mapping[int, int]) -> dict[int, Inheritance]:
    """Of those of `{number: last_seq}` that had a holder before."""
    held = {number: last_seq for number, last_seq in last_seqs.items() if last_seq}
    if not held:
        return {}
    commanded = set(db.scalars(select(commands.c.number).where(commands.c.number.in_(held)).distinct()))
    return {number: _of(db, number, last_seq, number in commanded) for number, last_seq in held.items()}


def _of(db: Connection, number: int, last_seq: int, has_commands: bool) -> Inheritance:
    rows = db.execute(_LAST, {"call": number, "behind": last_seq - ROWS}).all()
    held = [row for row in rows if row.source == "observer" and row.type in _HOLDERS]
    was_left = bool(held) and held[-1].type == "observer.detached"
    word = _word(db, number, held[-1].seq, held[-1].at) if was_left else None
    return Inheritance(rows[-1].at if rows else None, word, has_commands)


def _word(db: Connection, number: int, seq: int, at: int) -> LastWord:
    body = db.scalar(select(events.c.body).where(events.c.number == number, events.c.seq == seq))
    said = json.loads(body or b"{}")
    return LastWord.read({"whole": True, "until_at": at} | said)
