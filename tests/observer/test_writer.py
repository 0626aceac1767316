"""The observer's writer and a file: rows wait for each other, nobody waits behind a statement, and who insists waits
for the file's lock."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from call_log.journal import Journal
from call_log.store import Store, StoreUnavailable
from observer.limits import Limits
from observer.writer import Writer
from tests.call_log.conftest import file_url
from tests.observer.test_writer_on_postgres import SECONDS, Bench, bench
from tests.processes import until


def test_who_insists_is_served_once_the_store_is_back(tmp_path: Path) -> None:
    url = file_url(tmp_path)
    store = Store(url, patience=0.05)
    somebody = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)

    async def write() -> str:
        writer = Writer(store, "node_1", Limits(), Journal(tmp_path / "node_1.journal"))
        somebody.execute("BEGIN IMMEDIATE")
        insisting = asyncio.create_task(writer.insist(lambda db: "done"))
        with pytest.raises(StoreUnavailable):
            await writer.run(lambda db: None)
        assert not insisting.done()
        somebody.execute("ROLLBACK")
        said = await insisting
        assert await writer.close()
        return said

    assert asyncio.run(write()) == "done"
    store.close()
    somebody.close()


async def _say_something_urgent(at: Bench) -> None:
    at.hear(urgent=True)
    await at.until(4)


async def _run_a_statement(at: Bench) -> None:
    await at.writer.run(lambda db: None)
    await at.until(3)


async def _say_nothing_more(at: Bench) -> None:
    await at.until(3)


@pytest.mark.parametrize(
    ("then", "longest"),
    [(_say_something_urgent, 3_600.0), (_run_a_statement, 3_600.0), (_say_nothing_more, 2.0)],
)
def test_rows_wait_for_each_other_and_nobody_waits_behind_what_is_urgent(
    tmp_path: Path, then: Callable[[Bench], Awaitable[None]], longest: float
) -> None:
    async def scene() -> None:
        limits = Limits(batch_seconds=longest)
        async with asyncio.timeout(SECONDS), bench(file_url(tmp_path), tmp_path, limits) as at:
            at.hear()
            await asyncio.to_thread(
                until, at.writer._queue.empty, "the writer that has them, and waits for more"
            )
            at.hear(2)
            await then(at)
            assert [told.times for told in at.told.values()] == [1, 1]

    asyncio.run(scene())


def test_who_closes_does_not_wait_for_more_rows(tmp_path: Path) -> None:
    url = file_url(tmp_path)

    async def scene() -> Bench:
        async with bench(url, tmp_path, Limits(batch_seconds=3_600.0)) as at:
            at.hear(3)
        return at

    at = asyncio.run(scene())
    assert at.logged(url) == [[1, 2, 3]] * 2
