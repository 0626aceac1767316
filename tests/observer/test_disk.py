"""The disk under a running observer: full, read-only, a flush that fails, a file that is gone, or was replaced."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observer.scenes import event, gaps, heard, holders, one_call
from tests.observer.test_outages import QUICK, await_journaled
from tests.player import Player
from tests.processes import House, until

SHIM = Path(__file__).parents[1] / "disk_faults.c"


@pytest.fixture
def house(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "house", player.url, SWITCHBOARD_SEAL_KEY="5e" * 32)
    built.start_web()
    yield built
    built.stop()
    built.verify()


@pytest.fixture
def faults(house: House, tmp_path: Path) -> Path:
    """Whoever makes the file `fail`, `full`, `read_only` or `journal` in this folder lets the observer's disk fail: see
    the shim."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here: a disk cannot be made to fail")
    shim = tmp_path / "disk_faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(shim), str(SHIM), "-ldl"], check=True)
    wishes = {
        "FAIL_FLUSH": "fail",
        "FULL_DISK": "full",
        "READ_ONLY_DISK": "read_only",
        "FULL_JOURNAL": "journal",
    }
    house.environ |= {"LD_PRELOAD": str(shim)} | {name: str(tmp_path / file) for name, file in wishes.items()}
    return tmp_path


def test_a_flush_that_fails_is_no_commit_and_all_is_written_anew(
    house: House, player: Player, faults: Path
) -> None:
    failing_flush = faults / "fail"
    observer = house.start_observer("-c", QUICK)
    house.ready()
    call_id, scenario = one_call(house, player, attaches=1)
    for number in range(1, 6):
        failing_flush.touch()
        until(lambda: not failing_flush.exists(), "a failed flush")
        player.say(scenario, event(number))
    until(lambda: len(heard(house, call_id)) == 5, "all events")
    assert heard(house, call_id) == [f"event_{number}" for number in range(1, 6)]
    assert (gaps(house, call_id), len(holders(house, call_id))) == ([], 1)
    assert "got an I/O error from its disk" in observer.said()
    house.hang_up(call_id)
    house.ended(call_id)


@pytest.mark.parametrize(
    ("disk", "alarm"),
    [
        ("full", "cannot grow because its disk is full; free some space"),
        ("read_only", "got an I/O error from its disk"),
    ],
)
def test_what_is_heard_while_the_disk_takes_nothing_waits_in_the_journal_and_comes_by_itself(
    house: House, player: Player, faults: Path, disk: str, alarm: str
) -> None:
    observer = house.start_observer("-c", QUICK)
    house.ready()
    call_id, scenario = one_call(house, player, attaches=1)
    (faults / disk).touch()
    player.say(scenario, event(1), event(2))
    await_journaled(house, "event_1", "event_2")
    until(lambda: house.get("/readyz").status_code == 503, "the observer that can't renew")
    assert heard(house, call_id) == []
    (faults / disk).unlink()
    house.ready()
    player.say(scenario, event(3))
    until(lambda: heard(house, call_id) == ["event_1", "event_2", "event_3"], "all events")
    assert (gaps(house, call_id), len(holders(house, call_id))) == ([], 1)
    assert alarm in observer.said()
    house.hang_up(call_id)
    house.ended(call_id)


def test_where_the_journals_disk_is_full_too_what_is_heard_waits_in_memory(
    house: House, player: Player, faults: Path
) -> None:
    observer = house.start_observer("-c", QUICK)
    house.ready()
    call_id, scenario = one_call(house, player, attaches=1)
    (faults / "journal").touch()
    (faults / "full").touch()
    player.say(scenario, event(1), event(2))
    until(lambda: "journal_unavailable" in observer.said(), "the alarm")
    (faults / "full").unlink()
    until(lambda: heard(house, call_id) == ["event_1", "event_2"], "all events")
    assert (gaps(house, call_id), len(holders(house, call_id))) == ([], 1)
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_file_that_is_taken_away_is_missed_at_once_and_never_made_anew(
    house: House, player: Player
) -> None:
    observer = house.start_observer("-c", QUICK)
    house.ready()
    call_id, scenario = one_call(house, player, attaches=1)
    path = house.folder / "calls.db"
    path.rename(house.folder / "elsewhere.db")
    player.say(scenario, event(1))
    await_journaled(house, "event_1")
    until(lambda: "was removed or replaced while in use" in observer.said(), "the alarm")
    until(lambda: house.get("/readyz").status_code == 503, "that nobody would be recorded")
    assert not path.exists()
    (house.folder / "elsewhere.db").rename(path)
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    house.ready()
    assert (gaps(house, call_id), len(holders(house, call_id))) == ([], 1)
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_file_that_was_replaced_is_not_written(house: House, player: Player) -> None:
    observer = house.start_observer("-c", QUICK)
    house.ready()
    call_id, scenario = one_call(house, player, attaches=1)
    path, kept = house.folder / "calls.db", house.folder / "elsewhere.db"
    path.rename(kept)
    shutil.copy(kept, path)
    other = path.read_bytes()
    player.say(scenario, event(1))
    await_journaled(house, "event_1")
    until(lambda: "was removed or replaced while in use" in observer.said(), "the alarm")
    assert path.read_bytes() == other
    kept.rename(path)
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    house.hang_up(call_id)
    house.ended(call_id)
