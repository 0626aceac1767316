"""The checkpoint: who does it, and that the WAL stays small."""

import multiprocessing
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from call_log import calls, events, sharing
from call_log.events import EventRow
from call_log.store import Store
from tests.call_log.conftest import file_url
from tests.processes import until

BATCHES = 200
ROWS = 50
EVERY = 20


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file: what is told here is SQLite's alone."""
    return file_url(tmp_path)


@pytest.fixture
def held(store: Store, answered: Any, join: Any) -> int:
    """The number of a call that n1 holds at epoch 1."""
    with store.writing() as db:
        join(db, "n1")
        number: int = answered(db).number
        calls.claim(db, "n1", limit=1, at=1)
    return number


def _write(store: Store, number: int, batch: int) -> None:
    rows = [EventRow(number, batch * ROWS + n, 1, "upstream", "t", None, b"x" * 400) for n in range(ROWS)]
    with store.writing() as db:
        assert events.append(db, "n1", {number: 1}, rows) == set()


def _size(url: str, suffix: str = "") -> int:
    return Path(url.removeprefix("sqlite:///") + suffix).stat().st_size


def test_without_a_checkpoint_nothing_reaches_the_database(store: Store, url: str, held: int) -> None:
    before = _size(url)
    for batch in range(BATCHES):
        _write(store, held, batch)
    assert _size(url) == before
    assert _size(url, "-wal") > 4 * 2**20, "else the next test shows nothing"


def test_the_wal_starts_over_under_continuous_writing(store: Store, url: str, held: int) -> None:
    sizes = []
    for batch in range(BATCHES):
        _write(store, held, batch)
        if batch % EVERY == EVERY - 1:
            store.checkpoint()
            sizes.append(_size(url, "-wal"))
    assert _size(url) > BATCHES * ROWS * 400
    assert max(sizes) < 2 * 2**20
    assert max(sizes[5:]) <= max(sizes[:5]) * 1.2, "it has stopped growing"


def test_what_another_thread_writes_meanwhile_is_moved_too_so_that_the_wal_starts_over(
    store: Store, url: str, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "LONGEST_SECONDS", 60.0)
    shared: Any = store._write
    with ThreadPoolExecutor(1) as threads:
        with store.writing() as db:
            checkpoint = threads.submit(store.checkpoint)
            until(lambda: shared.__self__._waiting, "the checkpoint's turn")
            rows = [EventRow(held, n, 1, "upstream", "t", None, b"x" * 400) for n in range(ROWS)]
            assert events.append(db, "n1", {held: 1}, rows) == set()
        checkpoint.result()
    before = _header(url)
    _write(store, held, 1)
    assert _header(url) != before


def _header(url: str) -> bytes:
    """Its salts are new each time that the WAL starts over."""
    with Path(url.removeprefix("sqlite:///") + "-wal").open("rb") as wal:
        return wal.read(32)


def test_a_reader_delays_the_start_over_but_does_not_block(store: Store, url: str, held: int) -> None:
    with store.reading() as db:
        assert events.after(db, held, 0, limit=1) == []
        for batch in range(EVERY):
            _write(store, held, batch)
        store.checkpoint()
    for batch in range(EVERY, 3 * EVERY):
        _write(store, held, batch)
        if batch % EVERY == EVERY - 1:
            store.checkpoint()
    size = _size(url, "-wal")
    for batch in range(3 * EVERY, 4 * EVERY):
        _write(store, held, batch)
    assert _size(url, "-wal") == size


class Spy(sqlite3.Connection):
    """Tells `look` before each checkpoint, and after it."""

    look: Callable[[str], None]

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if "checkpoint(" not in sql:
            return super().execute(sql, *parameters)
        Spy.look("before")
        result = super().execute(sql, *parameters)
        Spy.look("after")
        return result


def _salts(url: str) -> bytes:
    return Path(url.removeprefix("sqlite:///") + "-wal").read_bytes()[16:24]


@pytest.mark.parametrize("moved_before", [False, True])
def test_most_is_moved_while_others_write_and_the_wal_is_not_started_over_meanwhile(
    store: Store, url: str, held: int, monkeypatch: pytest.MonkeyPatch, moved_before: bool
) -> None:
    if moved_before:
        store.checkpoint()  # the next write would start the WAL over
    stranger = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    connect, salts, locked = sqlite3.connect, [_salts(url)], []

    def look(when: str) -> None:
        try:
            stranger.execute("UPDATE calls SET created_at = created_at + 1")
        except sqlite3.OperationalError:
            locked.append(when)
        else:
            salts.append(_salts(url))

    Spy.look = staticmethod(look)
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Spy))
    other = Store(url)
    store.close()
    other.checkpoint()
    assert locked == ["before", "after"], "the second step is under the write lock, the first is not"
    assert len(salts) == 3
    assert len(set(salts[1:])) == 1, "nobody started the WAL over during the first step"
    before = _size(url)
    stranger.execute("UPDATE calls SET created_at = created_at + 1")
    assert _salts(url) != salts[-1], "all of it was moved, and so the next write begins anew"
    assert _size(url) == before
    stranger.close()
    other.close()


def _lead(url: str, leading: Any, leave: Any) -> None:
    store = Store(url)
    store.checkpoint()
    leading.set()
    leave.wait(30)


def test_only_the_holder_of_the_lease_does_it_until_it_dies(store: Store, url: str, held: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    leading, leave = spawn.Event(), spawn.Event()
    leader = spawn.Process(target=_lead, args=(url, leading, leave))
    leader.start()
    assert leading.wait(30)
    before = _size(url)
    for batch in range(EVERY):
        _write(store, held, batch)
    store.checkpoint()
    assert _size(url) == before
    leader.kill()
    leader.join(30)
    store.checkpoint()
    assert _size(url) > before


def test_a_reader_that_keeps_the_wal_from_starting_over_is_told_of_once(
    store: Store, url: str, held: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("call_log.checkpoint.WAL_LARGE_BYTES", 2**20)
    reader = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()
    for batch in range(BATCHES):
        _write(store, held, batch)
        if batch % EVERY == EVERY - 1:
            store.checkpoint()
    assert capsys.readouterr().out.count("wal_large") == 1
    reader.execute("ROLLBACK")
    reader.close()
    for batch in range(BATCHES, BATCHES + 3):
        _write(store, held, batch)
        store.checkpoint()
    assert not capsys.readouterr().out.count("wal_large")
