"""The observer's writer and a file: who insists waits for its lock."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from call_log.journal import Journal
from call_log.store import Store, StoreUnavailable
from observer.limits import Limits
from observer.writer import Writer
from tests.call_log.conftest import file_url


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
