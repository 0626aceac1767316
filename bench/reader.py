"""Reads a call log while it is written, and keeps what it saw: whatever a reader once saw must be there for ever.

Knows committed rows, and when it first saw each. Judges nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, column, literal_column, select, values

from bench.verdict import Sight
from call_log.schema import calls, events
from call_log.store import Store, StoreUnavailable

LOOK_EVERY_SECONDS = 0.003
ROWID: ColumnElement[int] = literal_column("events.rowid", Integer)


class Sightings:
    """In columns, since there may be millions."""

    def __init__(self) -> None:
        self.numbers, self.seqs, self.seen_at = array("q"), array("q"), array("d")
        self.event_ids: list[str | None] = []

    def __len__(self) -> int:
        return len(self.event_ids)

    def add(self, number: int, seq: int, event_id: str | None, seen_at: float) -> None:
        self.numbers.append(number)
        self.seqs.append(seq)
        self.seen_at.append(seen_at)
        self.event_ids.append(event_id)

    def in_order(self) -> Iterator[tuple[int, int, str | None, float]]:
        """(number, seq, event_id, UTC milliseconds) of each, as they were seen."""
        return zip(self.numbers, self.seqs, self.event_ids, self.seen_at, strict=True)

    def of_calls(self) -> dict[int, list[Sight]]:
        """What was seen of each call, by its number."""
        found: dict[int, list[Sight]] = defaultdict(list)
        for number, seq, event_id, _ in self.in_order():
            found[number].append(Sight(seq, event_id))
        return found

    def first_seen(self) -> dict[str, float]:
        """UTC milliseconds at which each event was first seen, by its id."""
        found: dict[str, float] = {}
        for _, _, event_id, seen_at in self.in_order():
            if event_id is not None:
                found.setdefault(event_id, seen_at)
        return found


class Reader:
    """A thread of its own that looks every few milliseconds. Use it as `with`."""

    def __init__(self, store: Store) -> None:
        self.sightings = Sightings()
        self._store, self._watch = store, store.watch()
        self._last_row, self._last_seqs = 0, dict[int, int]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader")

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._watch.close()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_SECONDS):
            with contextlib.suppress(StoreUnavailable):
                if self._watch.changed():
                    self._look()
        self._look()

    def _look(self) -> None:
        with self._store.reading() as db:
            rows = self._new_rows(db) if db.dialect.name == "sqlite" else self._rows_behind(db)
        at = time.time() * 1000
        for number, seq, event_id in rows:
            self.sightings.add(number, seq, event_id, at)

    def _new_rows(self, db: Connection) -> list[tuple[int, int, str | None]]:
        """SQLite numbers its rows in the order of their commits."""
        new = select(ROWID, events.c.number, events.c.seq, events.c.event_id).where(self._last_row < ROWID)
        rows = db.execute(new.order_by(ROWID)).all()
        if rows:
            self._last_row = rows[-1][0]
        return [(number, seq, event_id) for _, number, seq, event_id in rows]

    def _rows_behind(self, db: Connection) -> list[tuple[int, int, str | None]]:
        """Elsewhere each call's own sequence is asked for."""
        lasts = dict(db.execute(select(calls.c.number, calls.c.last_seq)).all())
        known = {number: self._last_seqs.get(number, 0) for number, last in lasts.items()}
        behind = [(number, known[number]) for number, last in lasts.items() if last > known[number]]
        if not behind:
            return []
        since = values(column("number", BigInteger), column("seq", BigInteger)).data(behind).alias("since")
        new = (
            select(events.c.number, events.c.seq, events.c.event_id)
            .join(since, (events.c.number == since.c.number) & (events.c.seq > since.c.seq))
            .order_by(events.c.number, events.c.seq)
        )
        self._last_seqs = lasts
        return list(db.execute(new).all())
