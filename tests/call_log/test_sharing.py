"""Writers of one process who come at once: one commit for all of them, and what becomes of one is not the others'."""

import contextlib
import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, exc

from call_log import sharing
from call_log.errors import StoreUnavailable
from call_log.sharing import PARTS_AT_ONCE, Shared
from call_log.sqlite import Sqlite
from tests.processes import until

Body = Callable[[Connection], object]


@dataclass
class Writers:
    """Threads that write to one file with a table `word`; `commits` are counted."""

    path: Path
    shared: Shared
    threads: ThreadPoolExecutor
    commits: list[object] = field(default_factory=list)

    def write(self, body: Body) -> Future[None]:
        """In a thread of its own."""
        return self.threads.submit(self._write, body)

    def _write(self, body: Body) -> None:
        with self.shared.take_part() as db:
            body(db)

    def at_once(self, first: Body, *others: Body) -> list[Future[None]]:
        """The others come, in this order, while the first has the lock."""
        entered, go_on = threading.Event(), threading.Event()

        def held(db: Connection) -> None:
            entered.set()
            assert go_on.wait(20)
            first(db)

        asked = [self.write(held)]
        assert entered.wait(20)
        for place, other in enumerate(others, start=1):
            asked.append(self.write(other))
            until(partial(self._wait, place), "one more who waits")
        go_on.set()
        return asked

    def _wait(self, number: int) -> bool:
        return len(self.shared._waiting) >= number

    def words(self) -> list[str]:
        """What is on disk, as another process would see it."""
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            return [word for (word,) in db.execute("SELECT said FROM word ORDER BY rowid")]


@pytest.fixture
def writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writers]:
    monkeypatch.setattr(sharing, "LONGEST_SECONDS", 60.0)
    file = Sqlite(tmp_path / "words.db", patience=2.0)
    with contextlib.closing(file.connect(create=True)) as connection:
        connection.execute("CREATE TABLE word (said TEXT UNIQUE)")
    _, engine = file.engines()
    with ThreadPoolExecutor(50) as threads:
        made = Writers(file.path, Shared(engine, 2.0, file.faults_named), threads)
        event.listen(engine, "commit", made.commits.append)
        yield made
    engine.dispose()


def say(word: str) -> Body:
    return lambda db: db.exec_driver_sql("INSERT INTO word VALUES (?)", (word,))


def fail(db: Connection) -> None:
    db.exec_driver_sql("INSERT INTO word VALUES ('never')")
    raise ZeroDivisionError


def fill_the_disk(db: Connection) -> None:
    pages = db.exec_driver_sql("PRAGMA page_count").scalar_one()
    db.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    db.exec_driver_sql("INSERT INTO word VALUES (?)", ("long" * 100_000,))


def test_who_comes_while_one_writes_is_committed_with_it_in_turn(writers: Writers) -> None:
    for asked in writers.at_once(*map(say, "abcdef")):
        asked.result(20)
    assert writers.words() == list("abcdef")
    assert len(writers.commits) == 1


def test_nobody_returns_before_it_is_on_disk(writers: Writers) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slowly(db: Connection) -> None:
        entered.set()
        assert go_on.wait(20)

    asked = writers.at_once(say("a"), say("b"), slowly)
    assert entered.wait(20)
    assert not any(one.done() for one in asked)
    assert writers.words() == []
    go_on.set()
    for one in asked:
        one.result(20)
    assert writers.words() == ["a", "b"]


@pytest.mark.parametrize("failed", range(3), ids=["first", "between", "last"])
def test_what_one_wrote_that_fails_is_undone_alone(writers: Writers, failed: int) -> None:
    bodies = [say("a"), say("b"), say("c")]
    bodies[failed] = fail
    asked = writers.at_once(*bodies)
    for place, one in enumerate(asked):
        if place == failed:
            with pytest.raises(ZeroDivisionError):
                one.result(20)
        else:
            one.result(20)
    assert writers.words() == [word for place, word in enumerate("abc") if place != failed]


def test_a_fault_of_the_code_is_its_own(writers: Writers) -> None:
    asked = writers.at_once(say("a"), say("a"), say("b"))
    with pytest.raises(exc.IntegrityError):
        asked[1].result(20)
    assert [asked[place].result(20) for place in (0, 2)] == [None, None]
    assert writers.words() == ["a", "b"]


def test_where_the_store_fails_in_the_middle_all_who_took_part_hear_it_and_the_next_begin_anew(
    writers: Writers,
) -> None:
    asked = writers.at_once(say("a"), fill_the_disk, say("b"))
    for one in asked[:2]:
        with pytest.raises(StoreUnavailable, match=r"words\.db cannot grow because its disk is full"):
            one.result(20)
    asked[2].result(20)
    assert writers.words() == ["b"]


def test_where_the_commit_fails_nothing_is_on_disk_and_all_hear_it(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Connection) -> None:
        raise exc.OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "commit", refuse)
        for one in writers.at_once(say("a"), say("b")):
            with pytest.raises(StoreUnavailable):
                one.result(20)
    assert writers.words() == []
    writers.write(say("c")).result(20)
    assert writers.words() == ["c"]


def test_who_waits_for_too_long_is_told_and_the_next_is_served(writers: Writers) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def for_long(db: Connection) -> None:
        entered.set()
        assert go_on.wait(20)

    first = writers.write(for_long)
    assert entered.wait(20)
    with pytest.raises(StoreUnavailable, match="too busy"):
        writers.write(say("impatient")).result(20)
    last = writers.write(say("last"))
    until(lambda: writers.shared._waiting, "the last one's turn")
    go_on.set()
    first.result(20)
    last.result(20)
    assert writers.words() == ["last"]


def test_who_cannot_have_the_lock_leaves_its_turn_to_the_next(writers: Writers) -> None:
    with contextlib.closing(sqlite3.connect(writers.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            writers.write(say("a")).result(20)
        other.execute("ROLLBACK")
    writers.write(say("b")).result(20)
    assert writers.words() == ["b"]


def test_who_must_be_alone_is_committed_with_nobody(writers: Writers) -> None:
    asked = writers.at_once(say("a"), say("b"))
    with writers.shared.take_part(alone=True) as db:
        say("alone")(db)
        asked.append(writers.write(say("c")))
        until(lambda: writers.shared._waiting, "one more who waits")
    asked[2].result(20)
    assert writers.words() == ["a", "b", "alone", "c"]
    assert len(writers.commits) == 3

    entered = threading.Event()

    def with_one_who_must_be_alone(db: Connection) -> None:
        entered.set()
        until(lambda: writers.shared._waiting, "the one who must be alone")

    first = writers.write(with_one_who_must_be_alone)
    assert entered.wait(20)
    with writers.shared.take_part(alone=True):
        assert len(writers.commits) == 4
    first.result(20)


def test_others_get_the_lock_between_so_many(writers: Writers) -> None:
    words = [f"word {number}" for number in range(PARTS_AT_ONCE + 1)]
    for asked in writers.at_once(*map(say, words)):
        asked.result(20)
    assert writers.words() == words
    assert len(writers.commits) == 2


def test_others_get_the_lock_after_a_while(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "LONGEST_SECONDS", 0.0)
    for asked in writers.at_once(say("a"), say("b"), say("c")):
        asked.result(20)
    assert len(writers.commits) == 3


@pytest.mark.parametrize(("had", "rest"), [(0.0, 0.002), (0.005, 0.005), (0.5, 0.010)])
def test_the_lock_is_left_to_others_for_as_long_as_it_was_had_within_bounds(had: float, rest: float) -> None:
    assert sharing.rest_after(had) == rest


def test_others_get_the_lock_while_many_write_all_the_time(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "LONGEST_SECONDS", 0.0)
    had: list[float] = []

    def rest(seconds: float) -> float:
        had.append(seconds)
        return 0.2

    monkeypatch.setattr(sharing, "rest_after", rest)
    began: list[float] = []
    took: list[float] = []

    def note(db: Connection) -> None:
        began.append(time.monotonic())
        db.exec_driver_sql("SELECT count(*) FROM word").scalar_one()
        took.append(time.monotonic() - began[-1])

    for asked in writers.at_once(note, note, note):
        asked.result(20)
    assert all(after - before >= 0.2 for before, after in itertools.pairwise(began))
    assert all(seconds >= least for seconds, least in zip(had, took, strict=True))
