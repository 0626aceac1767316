"""The one thread that writes to the call log, for all calls of this node.

Rows gather for at most 20 ms or 1,000 of them and are committed together, flushed to disk; only then is anybody told
of them. Statements (claims, states, heartbeats) take their place in the same queue, so that a call's end is never
written before its events. Knows order and durability; what a row means it does not know.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from call_log import events, inbox
from call_log.events import EventRow
from call_log.store import Connection, Store, StoreUnavailable
from observer.limits import Limits

log = structlog.get_logger()
Result = TypeVar("Result")

STORE_RETRY_SECONDS = 0.1


def wall_clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Recorded(Protocol):
    """Whoever wants to know what became of the rows it gave; both are called in the event loop."""

    epoch: int

    def committed(self, rows: list[EventRow]) -> None:
        """These rows are on disk."""

    def refused(self) -> None:
        """Another node holds the call now; nothing of this one is written any more."""


@dataclass(frozen=True)
class _Rows:
    record: Recorded
    row: EventRow
    message_id: int | None


@dataclass(frozen=True)
class _Statement:
    run: Callable[[Connection], Any]
    result: asyncio.Future[Any]


class Writer:
    """Start it inside the event loop; `failed` is set when the thread died, and then nothing is durable any more."""

    def __init__(self, store: Store, node_id: str, limits: Limits) -> None:
        self._store, self._node_id, self._limits = store, node_id, limits
        self._queue: queue.SimpleQueue[_Rows | _Statement | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._waiting_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self.failed = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def append(self, record: Recorded, row: EventRow, message_id: int | None = None) -> None:
        """Take one row; `record` hears when it is on disk. The inbox message that it came of, where there is one,
        is marked as taken in the same transaction."""
        self._waiting_bytes += len(row.body)
        if self._waiting_bytes > self._limits.waiting_max_bytes:
            self._room.clear()
        self._queue.put(_Rows(record, row, message_id))

    async def room(self) -> None:
        """Wait while too much waits for the store. Whoever reads a socket asks before reading on."""
        await self._room.wait()

    async def run(self, statement: Callable[[Connection], Result]) -> Result:
        """Run a statement in a transaction of its own, behind every row that was appended before."""
        result: asyncio.Future[Result] = self._loop.create_future()
        self._queue.put(_Statement(statement, result))
        return await result

    async def close(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        clean = False
        try:
            self._take_turns()
            clean = True
        finally:
            if not clean:
                self._loop.call_soon_threadsafe(self.failed.set)

    def _take_turns(self) -> None:
        item = self._queue.get()
        while item is not None:
            if isinstance(item, _Statement):
                self._run(item)
                item = self._queue.get()
            else:
                batch, item = self._gather(item)
                self._commit(batch)
                item = self._queue.get() if item is _NOTHING_YET else item

    def _gather(self, first: _Rows) -> tuple[list[_Rows], Any]:
        """The batch that begins with `first`, and what stopped it: a statement, the end, or nothing yet."""
        batch, until = [first], time.monotonic() + self._limits.batch_seconds
        while len(batch) < self._limits.batch_rows:
            try:
                item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if not isinstance(item, _Rows):
                return batch, item
            batch.append(item)
        return batch, _NOTHING_YET

    def _commit(self, batch: list[_Rows]) -> None:
        # Two holdings of one call in one batch (lost, then claimed anew): only the newer may write.
        holdings: dict[int, int] = {}
        for rows in batch:
            holdings[rows.row.number] = max(rows.record.epoch, holdings.get(rows.row.number, 0))
        current = [rows for rows in batch if rows.record.epoch == holdings[rows.row.number]]
        refused = self._append(holdings, current)
        self._loop.call_soon_threadsafe(self._tell, batch, holdings, refused)

    def _append(self, holdings: dict[int, int], batch: list[_Rows]) -> set[int]:
        rows = [rows.row for rows in batch]
        while True:
            try:
                with self._store.writing() as db:
                    refused = events.append(db, self._node_id, holdings, rows)
                    taken = {
                        each.message_id: each.record.epoch
                        for each in batch
                        if each.message_id is not None and each.row.number not in refused
                    }
                    inbox.take(db, taken, at=wall_clock())
                    return refused
            except StoreUnavailable as error:
                # The rows stay here, unacknowledged, until the store is back; `room` keeps their number bounded.
                log.error("store_unavailable", reason=str(error), rows=len(rows))
                time.sleep(STORE_RETRY_SECONDS)

    def _tell(self, batch: list[_Rows], holdings: dict[int, int], refused: set[int]) -> None:
        told: dict[Recorded, list[EventRow]] = {}
        for rows in batch:
            self._waiting_bytes -= len(rows.row.body)
            told.setdefault(rows.record, []).append(rows.row)
        if self._waiting_bytes <= self._limits.waiting_max_bytes:
            self._room.set()
        for record, rows_of_call in told.items():
            number = rows_of_call[0].number
            if number in refused or record.epoch != holdings[number]:
                record.refused()
            else:
                record.committed(rows_of_call)

    def _run(self, statement: _Statement) -> None:
        try:
            with self._store.writing() as db:
                result = statement.run(db)
        except StoreUnavailable as error:
            self._loop.call_soon_threadsafe(_fail, statement.result, error)
        else:
            self._loop.call_soon_threadsafe(_succeed, statement.result, result)


class _NothingYet:
    """The queue was empty when the batch was closed."""


_NOTHING_YET = _NothingYet()


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: StoreUnavailable) -> None:
    if not future.done():
        future.set_exception(error)
