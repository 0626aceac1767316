"""A real log, made by a real house, whose database is then damaged by hand: every damage is found, and by its name."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import evidence
from bench.evidence import Truth
from bench.field import put_up
from bench.verdict import Sight, Verdict
from call_log.store import Store
from tests.processes import until

CALLS = 3
Damage = Callable[[sqlite3.Connection], object]


@dataclass
class Scene:
    """What a run left behind. `seen` is what its reader saw, by the call's number."""

    database: Path
    true: list[Truth]
    seen: dict[int, list[Sight]]

    def judge(
        self, folder: Path, damage: Damage, *, seen: bool = True, true: list[Truth] | None = None
    ) -> Verdict:
        """The verdict on a copy that was damaged."""
        for file in self.database.parent.glob("calls.db*"):
            if file.is_file():
                shutil.copy(file, folder)
        with sqlite3.connect(folder / "calls.db") as db:
            damage(db)
        db.close()
        store = Store(f"sqlite:///{folder}/calls.db")
        try:
            return evidence.judge(true or self.true, store, self.seen if seen else {})
        finally:
            store.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    with put_up(folder, rate=50) as field:
        field.open(CALLS, per_second=20)
        field.all_observed()
        until(lambda: len(field.reader.sightings) > CALLS * 70, "events of every call")
        field.emulator.arm("events with a used id", times=CALLS)
        field.emulator.arm("poison events", times=CALLS)
        field.silence()
        field.end()
        _, true = field.judge()
        seen = field.reader.sightings.of_calls()
    yield Scene(folder / "house" / "calls.db", true, seen)


def close_up(db: sqlite3.Connection, number: int) -> None:
    """Number a call's events anew, so that no hole tells of those that were taken out."""
    db.execute("UPDATE events SET seq = -seq WHERE number = ?", (number,))
    rows = db.execute("SELECT rowid FROM events WHERE number = ? ORDER BY seq DESC", (number,)).fetchall()
    db.executemany(
        "UPDATE events SET seq = ? WHERE rowid = ?", [(seq, row) for seq, (row,) in enumerate(rows, 1)]
    )


def take_out(db: sqlite3.Connection, first: int, many: int) -> None:
    """Upstream events of the first call, from the `first` on (from behind when negative), and no trace of them."""
    rows = db.execute(
        "SELECT seq FROM events WHERE number = 1 AND source = 'upstream' ORDER BY seq"
    ).fetchall()
    place = first % len(rows)
    db.executemany("DELETE FROM events WHERE number = 1 AND seq = ?", rows[place : place + many])
    close_up(db, 1)


def add(db: sqlite3.Connection, type: str, body: str | None = None) -> None:
    """A copy of one of the first call's rows, at its end."""
    db.execute(
        "INSERT INTO events (number, seq, at, source, type, event_id, body)"
        " SELECT number, (SELECT max(seq) + 1 FROM events WHERE number = 1), at, source, type, event_id,"
        " coalesce(CAST(? AS BLOB), body) FROM events WHERE number = 1 AND type = ? ORDER BY seq LIMIT 1",
        (body, type),
    )


def swap(db: sqlite3.Connection) -> None:
    """Two neighbours of the first call change places."""
    rows = db.execute(
        "SELECT rowid, seq FROM events WHERE number = 1 AND source = 'upstream' ORDER BY seq LIMIT 2 OFFSET 20"
    ).fetchall()
    (one, earlier), (other, later) = rows
    db.executemany("UPDATE events SET seq = ? WHERE rowid = ?", [(-1, one), (earlier, other), (later, one)])


def forget_call(db: sqlite3.Connection) -> None:
    """The first call, all of it."""
    db.execute("DELETE FROM events WHERE number = 1")
    db.execute("DELETE FROM inbox WHERE number = 1")
    db.execute("DELETE FROM calls WHERE number = 1")


def take_out_poison(db: sqlite3.Connection) -> None:
    """An upstream event that has no id."""
    db.execute("DELETE FROM events WHERE number = 1 AND body = ?", (b"not json at all",))
    close_up(db, 1)


def test_it_is_healthy_as_it_is(scene: Scene, tmp_path: Path) -> None:
    verdict = scene.judge(tmp_path, lambda db: None)
    assert verdict.faults == {}
    assert verdict.calls == CALLS
    assert verdict.stored >= CALLS * 60


@pytest.mark.parametrize("first", [0, 1, 30, -1])
def test_an_event_that_was_seen_is_gone(scene: Scene, tmp_path: Path, first: int) -> None:
    assert "lost" in scene.judge(tmp_path, lambda db: take_out(db, first, 1)).faults


@pytest.mark.parametrize(("first", "many"), [(0, 1), (1, 1), (30, 1), (30, 5), (-1, 1), (-9, 9)])
def test_events_that_nobody_saw_are_missing(scene: Scene, tmp_path: Path, first: int, many: int) -> None:
    verdict = scene.judge(tmp_path, lambda db: take_out(db, first, many), seen=False)
    assert set(verdict.faults) == {"unmarked gap"}


def test_an_event_without_an_id_is_missing(scene: Scene, tmp_path: Path) -> None:
    assert set(scene.judge(tmp_path, take_out_poison, seen=False).faults) == {"unmarked gap"}


def test_an_event_is_there_twice(scene: Scene, tmp_path: Path) -> None:
    assert "duplicate" in scene.judge(tmp_path, lambda db: add(db, "response.done")).faults


def test_two_events_changed_places(scene: Scene, tmp_path: Path) -> None:
    assert set(scene.judge(tmp_path, swap, seen=False).faults) == {"disorder"}


def test_another_node_wrote_in_the_same_epoch(scene: Scene, tmp_path: Path) -> None:
    said = '{"type": "observer.attached", "node": "node_of_a_stranger", "epoch": 1}'
    verdict = scene.judge(tmp_path, lambda db: add(db, "observer.attached", said), seen=False)
    assert set(verdict.faults) == {"double owner"}


def test_a_call_runs_and_the_log_takes_it_for_over(scene: Scene, tmp_path: Path) -> None:
    first, *others = scene.true
    running = first._replace(sent=first.sent._replace(is_open=True, sidebands=0))
    assert set(scene.judge(tmp_path, lambda db: None, true=[running, *others]).faults) == {"orphan"}


@pytest.mark.parametrize("seen", [True, False])
def test_a_whole_call_is_gone(scene: Scene, tmp_path: Path, seen: bool) -> None:
    """It was observed and is over upstream: that it runs no more is no excuse."""
    expected = {"lost", "unmarked gap"} if seen else {"unmarked gap"}
    assert set(scene.judge(tmp_path, forget_call, seen=seen).faults) == expected
