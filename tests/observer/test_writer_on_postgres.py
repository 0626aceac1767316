"""The observer's writer and the real server: whatever ends a transaction, all of it comes again, once, in order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

from call_log import calls, events, journal, nodes
from call_log.events import EventRow
from call_log.journal import Journal
from call_log.store import Store
from observer.limits import Limits
from observer.writer import Writer
from tests.commit_cutter import CommitCutter
from tests.processes import until

NODE, AT = "node_1", 1_795_000_000_000
SECONDS = 30.0
FAILS = """
    CREATE SEQUENCE failures;
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('failures') <= 3 THEN RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'as wanted'; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER failing AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION fail();
"""


class Told:
    """A call's record that remembers what it was told."""

    epoch = 1

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.times = 0
        self.lost, self._more = False, asyncio.Event()

    def committed(self, rows: list[EventRow]) -> None:
        self.seqs += [row.seq for row in rows]
        self.times += 1
        self._more.set()

    def refused(self) -> None:
        self.lost = True
        self._more.set()

    async def until(self, seq: int) -> None:
        async with asyncio.timeout(SECONDS):
            while not self.lost and (not self.seqs or self.seqs[-1] < seq):
                self._more.clear()
                await self._more.wait()


class Bench:
    """A writer that holds two calls, and what it was told of each."""

    def __init__(self, store: Store, writer: Writer, numbers: list[int]) -> None:
        self.store, self.writer, self.numbers = store, writer, numbers
        self.told = {number: Told() for number in numbers}
        self._seqs = {number: itertools.count(1) for number in numbers}

    def hear(self, events_of_each: int = 1, urgent: bool = False) -> None:
        """`urgent`: the last one of all."""
        for _ in range(events_of_each):
            for number in self.numbers:
                row = EventRow(number, next(self._seqs[number]), AT, "upstream", "t", None, b"a word")
                self.writer.append(self.told[number], row, urgent=urgent and number == self.numbers[-1])

    async def until(self, seq: int) -> None:
        """Until all is acknowledged up to here, each once, in order; and then it is so in the log."""
        await asyncio.gather(*(told.until(seq) for told in self.told.values()))
        assert [told.seqs for told in self.told.values()] == [list(range(1, seq + 1))] * len(self.numbers)

    def logged(self, url: str) -> list[list[int]]:
        store = Store(url)
        with store.reading() as db:
            found = [[row.seq for row in events.after(db, n, 0, limit=999)] for n in self.numbers]
        store.close()
        return found


@contextlib.asynccontextmanager
async def bench(url: str, folder: Path, limits: Limits, longest: float = 20) -> AsyncIterator[Bench]:
    store, kept = Store(url, limits.store_patience, longest), Journal(folder / "node_1.journal")
    writer = Writer(store, NODE, limits, kept)
    try:
        yield Bench(store, writer, await writer.run(lambda db: two_calls(db, folder)))
        assert not writer.failed.is_set()
    finally:
        assert await writer.close()
        store.close()
    assert list(journal.read(folder / "node_1.journal")) == [] and not kept.path.exists()


def two_calls(db: Any, folder: Path) -> list[int]:
    """Two calls that the node holds; their numbers."""
    nodes.join(db, NODE, host="here", pid=1, lock_path=folder / "node_1.lock", version="1")
    answered(db, 1)
    answered(db, 2)
    return [call.number for call in calls.claim(db, NODE, limit=2, at=AT)]


def answered(db: Any, number: int) -> None:
    """A call that waits for a holder."""
    usual: dict[str, Any] = {
        "profile": "p",
        "model": "m",
        "caller": "c",
        "upstream": "azure",
        "recording": "preferred",
    }
    call = calls.dial(db, call_id=f"call_{number}", metadata=None, consent=None, at=AT, **usual)
    calls.answer(db, call.call_id, upstream_call_id=f"rtc_{number}", upstream_request_id=None, at=AT + number)


def play(scene: Callable[[], Any]) -> None:
    asyncio.run(scene())


@pytest.mark.parametrize(
    "state",
    [
        "40001",
        "40P01",
        "55P03",
        "57014",
        "57P01",
        "57P02",
        "57P03",
        "08006",
        "25P03",
        "53100",
        "53300",
        "XX000",
    ],
)
def test_a_transaction_that_the_server_undoes_comes_again_as_a_whole(
    database: str, tmp_path: Path, state: str
) -> None:
    async def scene() -> None:
        async with bench(database, tmp_path, Limits(store_patience=5)) as at:
            with psycopg.connect(database, autocommit=True) as other:
                other.execute(FAILS.format(state=state).encode())
            at.hear(3)
            await at.until(3)
            assert at.logged(database) == [[1, 2, 3]] * 2

    play(scene)


def test_a_deadlock_with_somebody_else_is_got_over(database: str, tmp_path: Path) -> None:
    """The other one has the second call's row and wants the first one's; it never gives up, so that we must."""

    async def scene() -> None:
        async with bench(database, tmp_path, Limits(store_patience=20)) as at:
            first, second = at.numbers
            with psycopg.connect(database) as other, psycopg.connect(database, autocommit=True) as looking:
                other.execute("SET deadlock_timeout = '10min'")
                lock = "SELECT FROM calls WHERE number = %s FOR UPDATE"
                other.execute(lock, (second,))
                at.hear()
                await asyncio.to_thread(_until_somebody_waits, looking)
                await asyncio.to_thread(other.execute, lock, (first,))
                await asyncio.to_thread(_until_a_deadlock, looking)
                at.hear()
                other.rollback()
            await at.until(2)
            assert at.logged(database) == [[1, 2]] * 2

    play(scene)


@pytest.mark.parametrize("limits", [(0.05, 20), (20, 0.5)], ids=["lock timeout", "statement timeout"])
def test_a_row_that_somebody_else_holds_for_long_is_waited_for_again_and_again(
    database: str, tmp_path: Path, limits: tuple[float, float]
) -> None:
    patience, longest = limits

    async def scene() -> None:
        async with bench(database, tmp_path, Limits(store_patience=patience), longest) as at:
            with psycopg.connect(database) as other:
                other.execute("SELECT FROM calls WHERE number = %s FOR UPDATE", (at.numbers[1],))
                at.hear(2)
                await asyncio.to_thread(_until_journaled, tmp_path, 4)
                other.rollback()
            await at.until(2)
            assert at.logged(database) == [[1, 2]] * 2

    play(scene)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_batch_is_there_once_whether_or_not_its_unanswered_commit_had_landed(
    database: str, tmp_path: Path, when: Literal["before", "after"]
) -> None:
    async def scene() -> None:
        wire = CommitCutter(database)
        async with bench(wire.postgres_url, tmp_path, Limits(store_patience=5)) as at:
            for seq in (2, 4, 6):
                wire.arm(when, b"a word")
                at.hear(2)
                await at.until(seq)
                assert wire.cuts.acquire(blocking=False), "the commit was cut"
            assert at.logged(database) == [[1, 2, 3, 4, 5, 6]] * 2
        wire.close()

    play(scene)


def _until_somebody_waits(looking: psycopg.Connection[Any]) -> None:
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    until(lambda: looking.execute(waiting).fetchone(), "somebody who waits for a lock")


def _until_a_deadlock(looking: psycopg.Connection[Any]) -> None:
    counted = "SELECT 1 FROM pg_stat_database WHERE datname = current_database() AND deadlocks > 0"
    until(lambda: looking.execute(counted).fetchone(), "a deadlock")


def _until_journaled(folder: Path, rows: int) -> None:
    path = folder / "node_1.journal"
    until(lambda: path.exists() and len(list(journal.read(path))) == rows, "the journal")
