"""The observer's writer and a file: between two transactions it is others' turn."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from call_log.journal import Journal
from call_log.store import Store, database_at
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
