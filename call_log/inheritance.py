"""What the earlier holders of calls left, as far as a new one must know it before it attaches. For many calls at once:
whoever takes over hundreds must not ask for each.

It knows how a log ends and whether there are commands; what they mean is the new holder's affair.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from call_log.schema import commands, events

ROWS = 20
"""So far back it is looked whether the last holder left."""
_HOLDERS = ("observer.attached", "observer.detached")
_LAST = (
    select(events.c.at, events.c.source, events.c.type)
    .where(events.c.number == bindparam("call"), events.c.seq > bindparam("behind"))
    .order_by(events.c.seq)
)


class Inheritance(NamedTuple):
    """Of one call: when the last line of its log was heard; when its last holder left, where it lived to say so; and
    whether anything was ever asked to be sent on it."""

    last_at: int | None
    left_at: int | None
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
    left_at = held[-1].at if held and held[-1].type == "observer.detached" else None
    return Inheritance(rows[-1].at if rows else None, left_at, has_commands)
