"""Verification: walking the chains of calls and naming the first place where one does not fit.

It reads in pages, so that neither memory nor a transaction grows with the log. It knows what the seal promises,
and refuses to guess who broke it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select

from call_log import calls, events
from call_log.call import Call
from call_log.events import EventRow
from call_log.schema import calls as calls_table
from call_log.seal import BEGINNING, Seal, digest_of
from call_log.store import Connection, Store

PAGE_ROWS = 1_000
PAGE_CALLS = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the walk of one call found. `broken_at` is the seq of the first break, None for a chain that fits;
    `why` is a sentence."""

    call_id: str
    events: int
    erased: bool
    broken_at: int | None = None
    why: str = ""


class _Broken(Exception):
    def __init__(self, seq: int, why: str) -> None:
        super().__init__(why)
        self.seq, self.why = seq, why


def every(store: Store, seal: Seal) -> Iterator[Verdict]:
    """The verdict on each call, oldest first."""
    number = 0
    while True:
        wanted = select(calls_table.c.number, calls_table.c.call_id).where(calls_table.c.number > number)
        with store.reading() as db:
            page = db.execute(wanted.order_by(calls_table.c.number).limit(PAGE_CALLS)).all()
        for row in page:
            number = row.number
            verdict = one(store, seal, row.call_id)
            if verdict is not None:
                yield verdict
        if not page:
            return


def one(store: Store, seal: Seal, call_id: str, head: tuple[int, bytes] | None = None) -> Verdict | None:
    """The verdict on one call, None for an unknown one. `head` is a (seq, link) that was published earlier and
    kept elsewhere: the chain must go through it."""
    while True:
        call = _find(store, call_id)
        if call is None:
            return None
        verdict = _walk(store, seal, call, head)
        now = _find(store, call_id)
        # An erasure that begins under our eyes takes salt and contents away; it is no break.
        if verdict.broken_at is None or (now is not None and now.erased_at == call.erased_at):
            return verdict


def _find(store: Store, call_id: str) -> Call | None:
    with store.reading() as db:
        return calls.find(db, call_id)


def _walk(store: Store, seal: Seal, call: Call, head: tuple[int, bytes] | None) -> Verdict:
    walk, erased = _Walk(seal, call, head), call.erased_at is not None
    try:
        for row in _rows(store, call):
            walk.take(row)
        walk.end()
    except _Broken as broken:
        return Verdict(call.call_id, walk.seq, erased, broken.seq, broken.why)
    return Verdict(call.call_id, walk.seq, erased)


def _rows(store: Store, call: Call) -> Iterator[EventRow]:
    """The events up to the end that the call's row tells; of a call that is over, whatever stands behind too."""
    seq = 0
    while True:
        with store.reading() as db:
            page = _page(db, call, seq)
        yield from page
        if not page:
            return
        seq = page[-1].seq


def _page(db: Connection, call: Call, seq: int) -> list[EventRow]:
    rows = events.after(db, call.number, seq, limit=PAGE_ROWS)
    return rows if call.ended_at is not None else [row for row in rows if row.seq <= call.last_seq]


class _Walk:
    """Goes along one chain; raises _Broken at the first event that does not fit."""

    def __init__(self, seal: Seal, call: Call, head: tuple[int, bytes] | None) -> None:
        self.seq, self._link = 0, BEGINNING
        self._seal, self._call, self._published = seal, call, head

    def take(self, row: EventRow) -> None:
        expected = self.seq + 1
        if row.seq != expected:
            raise _Broken(expected, "this event is missing")
        if row.seq > self._call.last_seq:
            raise _Broken(row.seq, "this event stands behind the end that the call's row tells")
        if row.link is None or row.digest is None:
            raise _Broken(row.seq, "this event is not sealed")
        self._require_content(row, row.digest)
        if not self._seal.fits(self._call.call_id, self._link, row, row.digest):
            raise _Broken(
                row.seq, "this event does not fit the one before it: changed, moved, or of another key"
            )
        self.seq, self._link = row.seq, row.link
        self._require_published()

    def _require_content(self, row: EventRow, digest: bytes) -> None:
        call = self._call
        if call.erased_at is not None:
            if row.body and row.seq <= (call.erased_seq or 0):
                raise _Broken(row.seq, "this event has content, although its call was erased")
        elif call.salt is None:
            raise _Broken(row.seq, "the call's salt is gone, although the call was not erased")
        elif digest_of(call.salt, row) != digest:
            raise _Broken(row.seq, "the content of this event was changed")

    def _require_published(self) -> None:
        seq, link = self._published or (None, None)
        if seq == self.seq and link != self._link:
            raise _Broken(self.seq, "this event is not the one whose head was published")

    def end(self) -> None:
        """After the last event."""
        if self.seq < self._call.last_seq:
            raise _Broken(self.seq + 1, "this event is missing")
        if self._call.last_seq and self._call.head != self._link:
            raise _Broken(self.seq, "the head in the call's row is not the link of its last event")
        if self._published is not None and self._published[0] > self.seq:
            raise _Broken(self.seq + 1, "this event is missing: a head behind it was published")
