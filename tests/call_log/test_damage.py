"""A file whose pages were damaged: it is noticed, nobody writes on, and the other calls can be read."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from call_log import calls, events, migrations
from call_log.errors import StoreUnavailable
from call_log.events import EventRow
from call_log.store import Store, database_at
from tests.call_log.conftest import file_url

ROWS = 400
MARK = b"what call 2 said"


@pytest.fixture
def damaged(tmp_path: Path, answered: Any, join: Callable[..., None]) -> str:
    """The URL of a file in which one page that holds events of the second call is overwritten."""
    url = file_url(tmp_path)
    store = Store(url)
    with store.writing() as db:
        join(db, "n1")
        numbers = [answered(db).number for _ in range(2)]
        calls.claim(db, "n1", limit=2, at=1)
    for number in numbers:
        rows = [
            EventRow(number, n, 1, "upstream", "t", None, b"what call %d said" % number * 20)
            for n in range(1, ROWS)
        ]
        with store.writing() as db:
            assert events.append(db, "n1", {number: 1}, rows) == set()
    store.checkpoint()
    store.close()
    path = Path(url.removeprefix("sqlite:///"))
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    raw = bytearray(path.read_bytes())
    page = raw.rindex(MARK) // 4096 * 4096
    raw[page : page + 64] = os.urandom(1) * 64
    path.write_bytes(raw)
    return url


def test_it_is_noticed_and_the_tables_are_not_touched(damaged: str) -> None:
    before = Path(damaged.removeprefix("sqlite:///")).read_bytes()
    with pytest.raises(StoreUnavailable, match=r"is damaged \(.*\); stop all processes, keep a copy"):
        migrations.upgrade(damaged)
    assert Path(damaged.removeprefix("sqlite:///")).read_bytes() == before


def test_the_command_that_checks_says_so_and_what_to_do(damaged: str) -> None:
    for command in ("check", "upgrade"):
        done = subprocess.run(
            [sys.executable, "-m", "call_log", command],
            env=os.environ | {"DATABASE_URL": damaged},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "is damaged" in done.stderr and "Traceback" not in done.stderr


def test_the_other_call_can_still_be_read(damaged: str) -> None:
    store = Store(damaged)
    with store.reading() as db:
        assert [row.seq for row in events.after(db, 1, 0, limit=ROWS)] == list(range(1, ROWS))
    with pytest.raises(StoreUnavailable, match="is damaged"), store.reading() as db:
        events.after(db, 2, 0, limit=ROWS)
    store.close()


def test_a_sound_file_and_one_that_is_not_there_have_no_damage(tmp_path: Path) -> None:
    assert database_at(f"sqlite:///{tmp_path}/none.db").damage() is None
    assert database_at(file_url(tmp_path)).damage() is None
