"""The observer's writer and a file: between two transactions it is others' turn, and who insists waits for a lock."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from call_log.journal import Journal
from call_log.store import Store, StoreUnavailable, database_at
from observer.limits import Limits
from observer.writer import Writer
from tests.call_log.conftest import file_url


class Turns(Store):
    """Remembers for how long each transaction had the write lock."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.had: list[float] = []

    def others_turn(self, had: float) -> float:
        self.had.append(had)
        return super().others_turn(had)


@pytest.mark.parametrize(
    ("url", "had", "turn"),
    [
        ("sqlite:////tmp/calls.db", 0.0, 0.002),
        ("sqlite:////tmp/calls.db", 0.005, 0.005),
        ("sqlite:////tmp/calls.db", 0.5, 0.010),
        ("postgresql://db/calls", 0.5, 0.0),
    ],
)
def test_the_write_lock_is_left_to_others_for_as_long_as_it_was_had_within_bounds(
    url: str, had: float, turn: float
) -> None:
    assert database_at(url).others_turn(had) == turn


def test_a_transaction_counts_from_when_it_has_the_lock_until_it_is_on_disk(tmp_path: Path) -> None:
    store = Turns(file_url(tmp_path))

    async def write() -> None:
        writer = Writer(store, "node_1", Limits(), Journal(tmp_path / "node_1.journal"))
        await writer.run(lambda db: time.sleep(0.05))
        assert await writer.close()

    began = time.monotonic()
    asyncio.run(write())
    store.close()
    assert 0.05 <= store.had[0] <= time.monotonic() - began


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
