"""What was promised to whoever reads the log, held against what the upstream and a reader truly saw."""

from __future__ import annotations

import sqlite3
import threading
from types import TracebackType

from bench.verdict import Logged, Sent, Sight, Verdict, judge_call, judge_orphans
from call_log import calls, events
from call_log.events import EventRow
from call_log.store import Connection, Store
from tests.processes import Emulator, House

READ_ROWS = 10_000
LOOK_EVERY_SECONDS = 0.005


class Watcher:
    """A reader of the log: whatever it has seen must never be gone. SQLite only."""

    def __init__(self, house: House) -> None:
        self._path = house.folder / "calls.db"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: dict[int, list[Sight]] = {}

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        reading = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=20, isolation_level=None)
        (last,) = reading.execute("SELECT coalesce(max(rowid), 0) FROM events").fetchone()
        while not self._stopped.wait(LOOK_EVERY_SECONDS):
            rows = reading.execute("SELECT rowid, number, seq, event_id FROM events WHERE rowid > ?", (last,))
            for row, number, seq, event_id in rows.fetchall():
                self.seen.setdefault(number, []).append(Sight(seq, event_id))
                last = row
        reading.close()


def broken_promises(
    house: House, upstream: Emulator, call_ids: list[str], watcher: Watcher
) -> dict[str, list[str]]:
    """By name; empty when each was kept. The calls are over."""
    verdict, store = Verdict(), Store(house.environ["DATABASE_URL"])
    ledger = {call["id"]: call for call in upstream.ledger()["calls"]}
    with store.reading() as db:
        for call_id in call_ids:
            call = calls.find(db, call_id)
            assert call is not None and call.upstream_call_id is not None
            rows = _rows(db, call.number)
            said = ledger[call.upstream_call_id]
            ids = [event["event_id"] for event in said["events"]]
            sent = Sent(call.upstream_call_id, ids, said["ended_at"] is None, said["sidebands"])
            judge_call(verdict, sent, rows, watcher.seen.get(call.number, []))
            wished = call.hang_up_wished_at is not None
            logged = Logged(call.number, call.state, call.upstream_call_id, call.failure_code, wished)
            judge_orphans(verdict, [sent], [logged])
    store.close()
    assert verdict.stored > 0
    return verdict.faults


def _rows(db: Connection, number: int) -> list[EventRow]:
    rows: list[EventRow] = []
    while more := events.after(db, number, rows[-1].seq if rows else 0, limit=READ_ROWS):
        rows += more
    return rows
