"""Transactions, what their failures are called, and the watch."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from call_log import calls, mounts
from call_log.sqlite import _await_turn, _reopen_after_a_fault
from call_log.store import News, Store, StoreUnavailable, now
from tests.call_log.conftest import file_url

NOBODY = 65534
ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file: what is told here is SQLite's alone."""
    return file_url(tmp_path)


def _count(store: Store) -> int:
    with store.reading() as db:
        return sum(calls.count_by_state(db).values())


def test_every_connection_is_set_up_for_durability(store: Store) -> None:
    asked = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "foreign_keys": 1}
    for transaction in (store.reading, store.writing):
        with transaction() as db:
            for pragma, value in asked.items():
                assert db.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
            assert db.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 5000


def test_a_block_that_raises_writes_nothing(store: Store, dial: Any) -> None:
    with pytest.raises(ZeroDivisionError), store.writing() as db:
        dial(db)
        raise ZeroDivisionError
    assert _count(store) == 0


def test_a_reader_keeps_its_snapshot_and_cannot_write(store: Store, dial: Any) -> None:
    with store.reading() as db:
        assert calls.count_by_state(db) == {}
        with store.writing() as other:
            dial(other)
        assert calls.count_by_state(db) == {}
    assert _count(store) == 1
    with pytest.raises(StoreUnavailable), store.reading() as db:
        dial(db)


def test_a_writer_has_the_write_lock_from_its_first_moment(store: Store, url: str) -> None:
    other = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    with store.writing(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()


def test_the_database_tells_the_time_in_milliseconds(store: Store) -> None:
    with store.reading() as db:
        before, told, after = time.time_ns() // 1_000_000, now(db), time.time_ns() // 1_000_000
    assert before - 1 <= told <= after + 1


def test_many_threads_write_and_read_at_once(store: Store, dial: Any) -> None:
    def work(_: int) -> None:
        for _ in range(5):
            with store.writing() as db:
                dial(db)
            _count(store)

    with ThreadPoolExecutor(40) as threads:
        list(threads.map(work, range(40)))
    assert _count(store) == 200


def test_a_locked_database_is_unavailable_and_then_available_again(url: str, dial: Any) -> None:
    store = Store(url, patience=0.05)
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with (
            pytest.raises(StoreUnavailable, match="was locked by another process") as caught,
            store.writing(),
        ):
            raise AssertionError("nobody may come here")
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert _count(store) == 0
    other.execute("ROLLBACK")
    other.close()
    with store.writing() as db:
        dial(db)
    assert _count(store) == 1
    store.close()


def test_a_thread_that_gets_no_turn_is_told(url: str) -> None:
    store = Store(url, patience=0.05)
    with store.writing(), pytest.raises(StoreUnavailable, match="no connection came free"), store.writing():
        raise AssertionError("nobody may come here")
    store.close()


def test_a_full_disk_is_unavailable_and_heals_by_itself(url: str, dial: Any) -> None:
    store = Store(url)
    with store.writing() as db:
        pages = db.exec_driver_sql("PRAGMA page_count").scalar_one()
        db.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreUnavailable, match="its disk is full"), store.writing() as db:
        for _ in range(1000):
            dial(db, metadata="x" * 1000)
    with store.writing() as db:
        assert calls.count_by_state(db) == {}, "a fresh connection, without the limit of the broken one"
        for _ in range(1000):
            dial(db, metadata="x" * 1000)
    assert _count(store) == 1000
    store.close()


def test_a_missing_file_is_unavailable_and_does_not_come_back_empty(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/var/switchboard.db")
    for transaction in (store.reading, store.writing):
        with pytest.raises(StoreUnavailable, match="python -m call_log upgrade"), transaction():
            raise AssertionError("nobody may come here")
    with pytest.raises(StoreUnavailable):
        store.watch().changed()
    assert not (tmp_path / "var" / "switchboard.db").exists()


@pytest.mark.parametrize("fate", ["removed", "replaced"])
def test_a_file_that_goes_while_in_use_stops_the_writing(
    store: Store, url: str, dial: Any, fate: str
) -> None:
    with store.writing() as db:
        dial(db)
    path = Path(url.removeprefix("sqlite:///"))
    path.rename(path.with_suffix(".old"))
    if fate == "replaced":
        shutil.copy(path.with_suffix(".old"), path)
    with pytest.raises(StoreUnavailable, match="was removed or replaced"), store.writing():
        raise AssertionError("nobody may come here")


def test_missing_tables_name_the_command(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "switchboard.db").close()
    store = Store(f"sqlite:///{tmp_path}/switchboard.db")
    with pytest.raises(StoreUnavailable, match="run: python -m call_log upgrade"):
        _count(store)
    store.close()


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "switchboard.db").write_text("This is a letter. " * 100)
    with pytest.raises(StoreUnavailable, match="not an SQLite database"):
        _count(Store(f"sqlite:///{tmp_path}/switchboard.db"))


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="give this user the right to write it"):
        Store(f"sqlite:///{tmp_path}/file/switchboard.db")


@pytest.fixture
def readable_url(url: str) -> Iterator[str]:
    """A call log that everybody may read and nobody may write."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "switchboard.db"
        shutil.copy(url.removeprefix("sqlite:///"), path)
        (path.parent / "switchboard.db-locks").mkdir()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        yield f"sqlite:///{path}"
        path.parent.chmod(0o755)


@pytest.fixture
def without_power(readable_url: str) -> Iterator[str]:
    """The same, seen by an ordinary user: root may write everywhere, so the test stops being root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield readable_url
    os.seteuid(before)


def test_a_file_without_the_right_to_write_says_so(without_power: str) -> None:
    store = Store(without_power)
    with pytest.raises(StoreUnavailable, match="give this user the right to write"), store.writing():
        raise AssertionError("nobody may come here")
    with pytest.raises(StoreUnavailable, match=r"checkpoint\.lock cannot be made"):
        store.checkpoint()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://db", "must name a database"),
        ("mysql://db/switchboard", "DATABASE_URL names mysql; write sqlite:"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///x.db?mode=ro", "must name a file and nothing else"),
        ("switchboard.db", "is not a URL"),
    ],
)
def test_another_kind_of_url_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(StoreUnavailable, match=sentence):
        Store(url)


def test_a_fault_of_ours_keeps_its_name(store: Store, dial: Any) -> None:
    with pytest.raises(IntegrityError), store.writing() as db:
        dial(db, call_id="call_1")
        dial(db, call_id="call_1")


def test_a_network_disk_is_warned_of(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "network_file_system", lambda path: "nfs4")
    with structlog.testing.capture_logs() as logs:
        Store(url).close()
    assert [(line["event"], line["log_level"], line["file_system"]) for line in logs] == [
        ("call_log_on_network_disk", "warning", "nfs4")
    ]


def test_the_watch_sees_commits_and_nothing_else(store: Store, dial: Any) -> None:
    watch = store.watch()
    assert [watch.changed(), watch.changed()] == [News.ANYTHING, News.NOTHING]
    with store.writing() as db:
        dial(db)
        assert not watch.changed()
    assert [watch.changed(), watch.changed()] == [News.ANYTHING, News.NOTHING]
    _count(store)
    store.checkpoint()
    assert not watch.changed()
    with pytest.raises(ZeroDivisionError), store.writing() as db:
        dial(db)
        raise ZeroDivisionError
    assert not watch.changed()
    watch.close()


def test_the_watch_sees_the_commits_of_another_process_and_from_another_thread(
    store: Store, url: str
) -> None:
    watch, seen = store.watch(), threading.Event()
    assert watch.changed()
    assert not watch.changed()

    def look() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not seen.is_set():
            if watch.changed():
                seen.set()

    looker = threading.Thread(target=look)
    looker.start()
    program = (
        "import sys\nfrom call_log import nodes\nfrom call_log.store import Store\n"
        "with Store(sys.argv[1]).writing() as db:\n"
        "    nodes.join(db, 'n1', host='h', pid=1, lock_path='x', version='1')"
    )
    subprocess.run([sys.executable, "-c", program, url], cwd=ROOT, check=True)
    looker.join(20)
    assert seen.is_set()
    watch.close()


@pytest.mark.parametrize(
    ("name", "reopens"),
    [
        ("SQLITE_IOERR_FSYNC", True),
        ("SQLITE_FULL", True),
        ("SQLITE_CORRUPT_INDEX", True),
        ("SQLITE_BUSY", False),
        ("SQLITE_BUSY_SNAPSHOT", False),
        ("SQLITE_CONSTRAINT_UNIQUE", False),
        (None, False),
    ],
)
def test_after_a_failed_flush_and_its_like_another_connection_is_opened(
    name: str | None, reopens: bool
) -> None:
    fault = sqlite3.OperationalError("disk I/O error")
    fault.sqlite_errorname = name  # type: ignore[assignment]
    context = SimpleNamespace(original_exception=fault, is_disconnect=False)
    _reopen_after_a_fault(context)  # type: ignore[arg-type]
    assert context.is_disconnect is reopens


def test_who_meets_a_lock_looks_again_until_it_is_free(
    store: Store, url: str, dial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        freed_meanwhile = SimpleNamespace(
            monotonic=time.monotonic, sleep=lambda seconds: other.execute("ROLLBACK")
        )
        monkeypatch.setattr("call_log.sqlite.time", freed_meanwhile)
        with store.writing() as db:
            dial(db)
    assert _count(store) == 1


def test_what_is_no_lock_is_not_waited_out() -> None:
    fault, asked = sqlite3.OperationalError("disk I/O error"), []
    fault.sqlite_errorname = "SQLITE_IOERR"

    def execute(statement: str) -> None:
        asked.append(statement)
        if statement == "BEGIN IMMEDIATE":
            raise fault

    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        _await_turn(SimpleNamespace(execute=execute), patience=0.2)
    assert asked.count("BEGIN IMMEDIATE") == 1
