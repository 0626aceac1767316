"""Erasure: a call's words go, its tombstone stays. By wish, or when the days for which a call is kept are over.

It knows the order in which that is safe:

1. The call is marked (`erased_at`, `erased_by`): from this commit on nothing of it may be shown. With the same
   statement its salt goes; it is over and unheld, and its epoch grows, so that nobody can append to it.
2. Its events are emptied in stretches, each a short transaction that first moves `erased_seq` on: whoever else
   does the same work gets the stretch behind it.
3. Once all are empty and `Store.scrub` has wiped what the database's own files still hold, `scrubbed_at` is
   written.

What stays: times, states, reasons, who called and who erased, the summary (numbers only), the consent statement
(it is evidence, and says what was agreed to), and of each event its place, time, source, type and the seal's two
codes. Everything is done again safely after a crash at any point. There is no index of words to rebuild.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, Select, func, select, update

from call_log import calls as calls_
from call_log.call import Call
from call_log.schema import calls, events, inbox, texts

RETENTION = "retention"
"""`erased_by` of a call whose days were over."""

STRETCH_ROWS = 200
STRETCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A call that is marked and not yet scrubbed; events behind `erased_seq` may still hold their content."""

    number: int
    call_id: str
    erased_seq: int
    last_seq: int

    @property
    def is_empty(self) -> bool:
        """Whether only the scrubbing is left to do."""
        return self.erased_seq >= self.last_seq


def mark(db: Connection, call_id: str, *, by: str, at: int) -> Call | None:
    """Erase a call that is over; the first mark stays. Returns the row as it is now (`erased_at` is null where
    the call is not over), None for an unknown call."""
    _mark(db, calls.c.call_id == call_id, by=by, at=at)
    return calls_.find(db, call_id)


def mark_expired(db: Connection, *, at: int, limit: int) -> int:
    """Erase at most `limit` calls whose `keep_until` has come; returns how many."""
    expired = select(calls.c.number).where(_expired(at)).order_by(calls.c.keep_until).limit(limit)
    return _mark(db, calls.c.number.in_(expired.with_for_update(skip_locked=True)), by=RETENTION, at=at)


def waits(db: Connection, *, at: int) -> bool:
    """Whether there is anything to mark or to finish; cheap, and writes nothing."""
    either = select(select(calls.c.number).where(_expired(at)).exists() | _being_erased().exists())
    return bool(db.execute(either).scalar_one())


def unfinished(db: Connection, *, limit: int) -> list[Unfinished]:
    """Calls that are marked and not yet scrubbed, oldest first."""
    rows = db.execute(_being_erased().order_by(calls.c.number).limit(limit))
    return [Unfinished(**row._mapping) for row in rows]


def empty_a_stretch(db: Connection, call: Unfinished) -> Unfinished:
    """Empty the next events of a call, at most 200 or 1 MiB of them (one at least). Returns how far the call is
    now, also where somebody else did that stretch meanwhile."""
    until = _end_of_stretch(db, call)
    same = (calls.c.number == call.number) & (calls.c.erased_seq == call.erased_seq)
    if db.execute(update(calls).where(same).values(erased_seq=until)).rowcount == 0:
        return replace(call, erased_seq=db.scalars(_erased_seq(call.number)).one())
    stretch = (events.c.number == call.number) & (events.c.seq > call.erased_seq) & (events.c.seq <= until)
    db.execute(update(events).where(stretch).values(body=b"", event_id=None))
    return replace(call, erased_seq=until)


def finish(db: Connection, numbers: Collection[int], *, at: int) -> None:
    """Say that nothing of these calls is left. Call it after a `Store.scrub` that was True and that began when
    all of them were empty."""
    empty = calls.c.erased_seq >= calls.c.last_seq
    db.execute(
        update(calls)
        .where(calls.c.number.in_(numbers), calls.c.scrubbed_at.is_(None), empty)
        .values(scrubbed_at=at)
    )


def _mark(db: Connection, which: ColumnElement[bool], *, by: str, at: int) -> int:
    over = calls.c.ended_at.is_not(None) & calls.c.holder.is_(None) & calls.c.erased_at.is_(None)
    tombstone = {
        "erased_at": at,
        "erased_by": by,
        "erased_seq": 0,
        "salt": None,
        "epoch": calls.c.epoch + 1,
    }
    marked = update(calls).where(which, over).values(tombstone).returning(calls.c.number)
    numbers = list(db.scalars(marked))
    db.execute(update(texts).where(texts.c.number.in_(numbers)).values(text=""))
    db.execute(update(inbox).where(inbox.c.number.in_(numbers)).values(body=None))
    return len(numbers)


def _expired(at: int) -> ColumnElement[bool]:
    return calls.c.keep_until.is_not(None) & calls.c.erased_at.is_(None) & (calls.c.keep_until <= at)


def _being_erased() -> Select[int, str, int, int]:
    columns = (calls.c.number, calls.c.call_id, calls.c.erased_seq, calls.c.last_seq)
    return select(*columns).where(calls.c.erased_at.is_not(None), calls.c.scrubbed_at.is_(None))


def _erased_seq(number: int) -> Select[int]:
    return select(calls.c.erased_seq).where(calls.c.number == number)


def _end_of_stretch(db: Connection, call: Unfinished) -> int:
    ahead = (
        select(events.c.seq, func.length(events.c.body).label("bytes"))
        .where(events.c.number == call.number, events.c.seq > call.erased_seq)
        .order_by(events.c.seq)
        .limit(STRETCH_ROWS)
    )
    until, total = call.last_seq, 0
    for seq, size in db.execute(ahead):
        if total and total + size > STRETCH_BYTES:
            break
        until, total = seq, total + size
    return until
