"""The one thread that writes to the call log, for all calls of this node.

Rows gather for at most 20 ms or 1,000 of them and are committed together, flushed to disk; only then is anybody told
of them. Statements (claims, states, heartbeats) take their place in the same queue, so that a call's end is never
written before its events; they wait for nobody, and what has come already goes into their transaction, before them:
each flush and each turn at the store's lock is dear. While the store is away, rows wait here and in the node's journal,
acknowledged to nobody, and statements are refused. Knows order and durability; what a row means it does not know.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

import structlog

from call_log import nodes
from call_log.events import EventRow
from call_log.journal import Journal, Kept
from call_log.recording import record as record_rows
from call_log.store import Connection, Store, StoreUnavailable
from observer.limits import Limits

log = structlog.get_logger()
Result = TypeVar("Result")

STORE_RETRY_SECONDS = 0.1
INSIST_SECONDS = 0.2
"""Hundreds of calls may insist on something while the store is away."""
STATEMENTS_AT_ONCE = 20
"""Others wait for the store's lock meanwhile: a statement takes a millisecond or so, a row a hundredth of that."""


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
class _Row:
    record: Recorded
    kept: Kept
    urgent: bool = False


@dataclass(frozen=True)
class _Statement:
    run: Callable[[Connection], Any]
    result: asyncio.Future[Any]


_Item = _Row | _Statement


class Writer:
    """Start it inside the event loop; `failed` is set when the thread died, and then nothing is durable any more."""

    def __init__(self, store: Store, node_id: str, limits: Limits, journal: Journal) -> None:
        self._store, self._node_id, self._limits, self._journal = store, node_id, limits, journal
        self._queue: queue.SimpleQueue[_Row | _Statement | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._waiting_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self.failed = asyncio.Event()
        # The thread's own: rows that wait for the store, and what is known of its absence.
        self._backlog: deque[_Row] = deque()
        self._away: StoreUnavailable | None = None
        self._again_at = self._renewed_at = 0.0
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def append(
        self, record: Recorded, row: EventRow, message_id: int | None = None, urgent: bool = False
    ) -> None:
        """Take one row; `record` hears when it is on disk. The inbox message that it came of, where there is one,
        is marked as taken in the same transaction. `urgent`: somebody waits for it, so that it waits for no others."""
        self._waiting_bytes += len(row.body)
        if self._waiting_bytes > self._limits.waiting_max_bytes:
            self._room.clear()
        self._queue.put(_Row(record, Kept(row, record.epoch, message_id), urgent))

    async def room(self) -> None:
        """Wait while too much waits for the store. Whoever reads a socket asks before reading on."""
        await self._room.wait()

    async def run(self, statement: Callable[[Connection], Result]) -> Result:
        """Run a statement behind every row that was appended before; when this returns, it is on disk. Raises
        StoreUnavailable, also while rows that came before it can't be written."""
        result: asyncio.Future[Result] = self._loop.create_future()
        self._queue.put(_Statement(statement, result))
        return await result

    async def insist(self, statement: Callable[[Connection], Result]) -> Result:
        """The same, as soon as the store takes it, however long it is away."""
        while True:
            try:
                return await self.run(statement)
            except StoreUnavailable:
                await asyncio.sleep(INSIST_SECONDS)

    async def close(self) -> bool:
        """Write what waits, then stop. False when the store did not take all: the rest stays in the journal."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        return not self._backlog

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        clean = False
        try:
            self._take_turns()
            clean = True
        finally:
            if not clean:
                log.error("writer_died", exc_info=sys.exc_info())
                self._loop.call_soon_threadsafe(self.failed.set)

    def _take_turns(self) -> None:
        while self._take_a_turn():
            pass
        self._again_at = 0.0
        self._drain()

    def _take_a_turn(self) -> bool:
        """Whether there will be another. Nothing of what was written is kept until then: it may be 16 MiB."""
        items, more = self._gather()
        self._do(items)
        return more

    def _next(self) -> _Item | None:
        """What comes next in the queue; while rows wait for the store, it is asked again and again meanwhile."""
        while self._backlog:
            try:
                return self._queue.get(timeout=STORE_RETRY_SECONDS)
            except queue.Empty:
                self._drain()
        return self._queue.get()

    def _gather(self) -> tuple[list[_Item], bool]:
        """What is written in one transaction, and whether there will be more. Rows wait for others, a statement and
        an urgent row for nobody: it takes along what has come already."""
        first = self._next()
        if first is None:
            return [], False
        items, until = [first], time.monotonic() + self._limits.batch_seconds
        statements = int(isinstance(first, _Statement))
        while len(items) < self._limits.batch_rows and statements < STATEMENTS_AT_ONCE:
            urgent = isinstance(items[-1], _Statement) or items[-1].urgent
            try:
                item = self._queue.get(not urgent, max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if item is None:
                return items, False
            items.append(item)
            statements += isinstance(item, _Statement)
        return items, True

    def _do(self, items: list[_Item]) -> None:
        if not self._drain():
            self._put_off(items)
            return
        try:
            self._commit(items)
        except StoreUnavailable as error:
            self._note_away(error)
            self._put_off(items)

    def _put_off(self, items: list[_Item]) -> None:
        """Rows wait, in memory and in the journal; whoever wants a statement hears that it can't be, for now."""
        rows = [item for item in items if isinstance(item, _Row)]
        if rows:
            self._backlog.extend(rows)
            self._spill(rows)
        for item in items:
            if isinstance(item, _Statement):
                self._loop.call_soon_threadsafe(_fail, item.result, StoreUnavailable(str(self._away)))

    def _drain(self) -> bool:
        """Commit what waits, oldest first; False when the store does not take it."""
        if time.monotonic() < self._again_at:
            return False
        try:
            while self._backlog:
                self._renew_if_away()
                waiting = list(islice(self._backlog, self._limits.batch_rows))
                self._commit(waiting)
                for _ in waiting:
                    self._backlog.popleft()
        except StoreUnavailable as error:
            self._note_away(error)
            return False
        return True

    def _commit(self, items: Sequence[_Item]) -> None:
        """Everything in one transaction, the rows first, for one go at them costs little more than one row does; then
        everybody is told."""
        rows = [item.kept for item in items if isinstance(item, _Row)]
        with self._store.writing() as db:
            lost = record_rows(db, self._node_id, rows, at=wall_clock()) if rows else set()
            results = [(item, item.run(db)) for item in items if isinstance(item, _Statement)]
        self._note_back(len(items))
        self._loop.call_soon_threadsafe(self._tell, items, lost, results)

    def _renew_if_away(self) -> None:
        # Our heart seemed to have stopped as well: renew before anything else, and now and then while much is
        # written, for the heartbeats wait in the queue behind it.
        now = time.monotonic()
        if self._away is not None and now - self._renewed_at >= self._limits.heartbeat:
            with self._store.writing() as db:
                nodes.heartbeat(db, self._node_id)
            self._renewed_at = now

    def _spill(self, batch: Iterable[_Row]) -> None:
        try:
            self._journal.append(row.kept for row in batch)
        except OSError as error:
            # Not lost yet: the rows wait in memory as well. But a crash now would lose them, and leave a gap.
            log.error("journal_unavailable", reason=error.strerror)

    def _note_away(self, error: StoreUnavailable) -> None:
        self._again_at = time.monotonic() + STORE_RETRY_SECONDS
        if self._away is None:
            log.error("store_unavailable", reason=str(error))
        self._away = error

    def _note_back(self, committed: int) -> None:
        if self._away is not None and len(self._backlog) <= committed:
            self._journal.clear()
            self._away = None
            log.info("store_available_again")

    def _tell(
        self, items: Sequence[_Item], lost: set[tuple[int, int]], results: list[tuple[_Statement, Any]]
    ) -> None:
        told: dict[Recorded, list[EventRow]] = {}
        for row in items:
            if isinstance(row, _Row):
                self._waiting_bytes -= len(row.kept.row.body)
                told.setdefault(row.record, []).append(row.kept.row)
        if self._waiting_bytes <= self._limits.waiting_max_bytes:
            self._room.set()
        for record, rows_of_call in told.items():
            if (rows_of_call[0].number, record.epoch) in lost:
                record.refused()
            else:
                record.committed(rows_of_call)
        for statement, result in results:
            if not statement.result.done():
                statement.result.set_result(result)


def _fail(future: asyncio.Future[Any], error: StoreUnavailable) -> None:
    if not future.done():
        future.set_exception(error)
