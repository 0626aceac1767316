"""Transactions that are committed together, for a database that has one writer at a time.

A commit costs a flush to disk, and a transaction a turn at the lock, for which other processes wait as well. Whoever
comes while one is open takes part in it, in its turn, and returns when all of it is on disk.

Knows turns and savepoints. What is written it does not know.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Engine, exc

from call_log.errors import StoreUnavailable

PARTS_AT_ONCE = 20
LONGEST_SECONDS = 0.02
"""Other processes wait for the lock meanwhile. A part that has begun is not cut."""
REST_SECONDS = 0.002, 0.010


def rest_after(had: float) -> float:
    """The lock has no queue, and who asks again at once would always have it: it is left to other processes for as long
    as it was had, within bounds. Seconds."""
    shortest, longest = REST_SECONDS
    return min(max(had, shortest), longest)


class _Group:
    """One transaction, from the lock to the flush. `undone` says why nothing of it is on disk, where that is so."""

    def __init__(self, db: Connection, alone: bool) -> None:
        self.db, self._most, self.parts = db, 1 if alone else PARTS_AT_ONCE, 0
        self.undone: str | None = None
        self._began = time.monotonic()
        self.is_over = threading.Event()

    @property
    def has_room(self) -> bool:
        """Whether one more may take part."""
        return self.undone is None and self.parts < self._most and self.had < LONGEST_SECONDS

    @property
    def had(self) -> float:
        """For how many seconds it has the lock."""
        return time.monotonic() - self._began

    @contextlib.contextmanager
    def part(self) -> Iterator[Connection]:
        """What one writes. Where it fails, the others' stays; of the first there are no others yet."""
        self.parts += 1
        if self.parts > 1:
            with self.db.begin_nested():
                yield self.db
            return
        is_whole = False
        try:
            yield self.db
            is_whole = True
        finally:
            if not is_whole:
                self.undone = "The first part of it failed."

    def end(self) -> None:
        """Commit, or undo all; the connection goes back either way."""
        with contextlib.closing(self.db):
            if self.undone is None:
                self.db.commit()


class _Turn:
    """One who waits: for a group to take part in, or to begin one; `alone`, for one that it begins and ends."""

    def __init__(self, alone: bool) -> None:
        self.alone, self.came = alone, threading.Event()
        self.group: _Group | None = None


class Shared:
    """The writing transactions of one process; `take_part` may be called from any thread."""

    def __init__(
        self,
        engine: Engine,
        patience: float,
        faults_named: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        """`patience`: seconds that one waits for its turn. What the database cannot do comes out of `faults_named` as
        StoreUnavailable, and then the whole transaction is undone."""
        self._engine, self._patience, self._faults_named = engine, patience, faults_named
        self._guard = threading.Lock()
        self._is_open, self._not_before = False, 0.0
        self._waiting: deque[_Turn] = deque()

    @contextlib.contextmanager
    def take_part(self, *, alone: bool = False) -> Iterator[Connection]:
        """Once the block is left, what it wrote is on disk, together with what others wrote. An exception undoes what
        this block wrote. Raises StoreUnavailable, also where what another one did ended the transaction."""
        group = self._group(alone)
        try:
            with self._faults_named(), group.part() as db:
                yield db
        except StoreUnavailable as fault:
            group.undone = str(fault)
            raise
        finally:
            self._pass_on(group)
        group.is_over.wait()
        if group.undone is not None:
            raise StoreUnavailable(group.undone)

    def _group(self, alone: bool) -> _Group:
        turn = _Turn(alone)
        with self._guard:
            if self._is_open:
                self._waiting.append(turn)
            else:
                self._is_open = True
                turn.came.set()
        if not turn.came.wait(self._patience):
            self._give_up(turn)
        return turn.group or self._begin(alone)

    def _give_up(self, turn: _Turn) -> None:
        with self._guard, self._faults_named():
            if turn in self._waiting:
                self._waiting.remove(turn)
                raise exc.TimeoutError
        turn.came.wait()  # it is on its way

    def _begin(self, alone: bool) -> _Group:
        group = None
        try:
            time.sleep(max(0.0, self._not_before - time.monotonic()))  # meanwhile more come, and take part
            with self._faults_named(), contextlib.ExitStack() as cleaning:
                db = cleaning.enter_context(contextlib.closing(self._engine.connect()))
                db.begin()
                cleaning.pop_all()
                group = _Group(db, alone)
                return group
        finally:
            if group is None:
                self._next_begins()

    def _pass_on(self, group: _Group) -> None:
        """To the next one; where there is none, or it is enough, end it."""
        with self._guard:
            joins = bool(self._waiting) and group.has_room and not self._waiting[0].alone
            next_one = self._waiting.popleft() if joins else None
        if next_one is not None:
            next_one.group = group
            next_one.came.set()
            return
        try:
            with self._faults_named():
                group.end()
        except StoreUnavailable as fault:
            group.undone = str(fault)
        finally:
            group.is_over.set()
            self._not_before = time.monotonic() + rest_after(group.had)
            self._next_begins()

    def _next_begins(self) -> None:
        with self._guard:
            next_one = self._waiting.popleft() if self._waiting else None
            self._is_open = next_one is not None
        if next_one is not None:
            next_one.came.set()
