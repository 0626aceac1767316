"""The store is away under real calls: what was heard waits, nothing is lost, and all comes back by itself."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from call_log import journal
from call_log.events import EventRow
from tests.observer.scenes import OFFER, event, gaps, heard, holders, node_of, one_call
from tests.player import Player
from tests.processes import House, until

EXPIRED = '{"type": "error", "event_id": "expired", "error": {"code": "session_expired"}}'
QUICK = "from observer.__main__ import main; from observer.limits import Limits; main(Limits(store_patience=0.05))"


@pytest.fixture
def house(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "house", player.url, SWITCHBOARD_SEAL_KEY="5e" * 32)
    built.start_observer("-c", QUICK)
    built.start_web()
    built.ready()
    yield built
    built.stop()
    built.verify()


@contextlib.contextmanager
def locked(house: House) -> Iterator[None]:
    """Another process holds the write lock; reading goes on."""
    other = sqlite3.connect(house.folder / "calls.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def journals(house: House) -> list[Path]:
    return sorted(house.locks.glob("*.journal"))


def journaled(house: House) -> list[EventRow]:
    return [kept.row for path in journals(house) for kept in journal.read(path)]


def await_journaled(house: House, *wanted: str) -> None:
    until(lambda: set(wanted) <= {row.event_id for row in journaled(house)}, "the events in the journal")


def await_heard(house: House, call_id: str, *wanted: str) -> None:
    until(lambda: heard(house, call_id) == list(wanted), "the events")


def test_what_is_heard_while_the_store_is_locked_waits_unseen_and_comes_in_order(
    house: House, player: Player
) -> None:
    call_id, scenario = one_call(house, player, attaches=1)
    player.say(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the first event")
    with locked(house):
        for number in range(2, 6):
            player.say(scenario, event(number))
            await_journaled(house, f"event_{number}")
        assert heard(house, call_id) == ["event_1"], "nothing is seen before it is committed"
        assert house.connect(OFFER).status_code == 503
    player.say(scenario, event(6))
    until(lambda: len(heard(house, call_id)) == 6, "all events")
    assert heard(house, call_id) == [f"event_{number}" for number in range(1, 7)]
    until(lambda: journals(house) == [], "the empty journal")
    assert (gaps(house, call_id), len(holders(house, call_id))) == ([], 1)
    house.hang_up(call_id)
    house.ended(call_id)


def test_what_was_heard_before_a_crash_in_an_outage_is_written_by_whoever_buries_the_dead(
    house: House, player: Player
) -> None:
    call_id, scenario = one_call(house, player, attaches=2)
    (first,) = house.observers
    with locked(house):
        player.say(scenario, event(1), event(2))
        await_journaled(house, "event_1", "event_2")
        first.stop(signal.SIGKILL)
        house.observers.remove(first)
    second = house.start_observer()
    until(lambda: heard(house, call_id) == ["event_1", "event_2"], "the dead observer's events")
    until(lambda: [epoch for _, epoch in holders(house, call_id)] == [1, 2], "the second observer")
    assert gaps(house, call_id) == ["taken_over"]
    sequence = [said["seq"] for said in house.events(call_id)]
    assert sequence == list(range(1, len(sequence) + 1))
    assert journals(house) == [] and "node_buried" in second.said()
    house.hang_up(call_id)
    house.ended(call_id)


def test_an_observer_that_is_told_to_stop_in_an_outage_stops_and_leaves_its_journal(
    house: House, player: Player
) -> None:
    call_id, scenario = one_call(house, player, attaches=2)
    (first,) = house.observers
    with locked(house):
        player.say(scenario, event(1))
        await_journaled(house, "event_1")
        assert first.stop() == 0
        house.observers.remove(first)
        assert "event_1" in {row.event_id for row in journaled(house)}
    house.start_observer()
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    until(lambda: gaps(house, call_id) == ["handed_over"], "the gap")
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_call_that_ends_while_the_store_is_locked_has_its_end_once_the_store_is_back(
    house: House, player: Player
) -> None:
    """Nothing of it fails meanwhile: what waits for the store insists."""
    call_id, scenario = one_call(house, player, attaches=1)
    with locked(house):
        player.say(scenario, event(1), EXPIRED)
        await_journaled(house, "event_1", "expired")
        player.end(scenario)
        until(lambda: "observer.detached" in {row.type for row in journaled(house)}, "the sideband's end")
        until(lambda: house.get("/readyz").status_code == 503, "stopped hearts")
    assert house.ended(call_id)["end"] == {"reason": "upstream_session_limit", "certainty": "stated"}
    assert heard(house, call_id) == ["event_1"]
    assert house.events(call_id, type="observer.failed") == []


def test_nobody_takes_anothers_calls_when_the_store_comes_back(house: House, player: Player) -> None:
    """All hearts stood still for longer than a lease, and none was dead."""
    second = house.start_observer("-c", QUICK)
    node_of(second)
    calls = [one_call(house, player, attaches=1) for _ in range(4)]
    before = [holders(house, call_id) for call_id, _ in calls]
    with locked(house):
        until(lambda: house.get("/readyz").status_code == 503, "stopped hearts")
    house.ready()
    for number, (call_id, scenario) in enumerate(calls):
        player.say(scenario, event(number))
        await_heard(house, call_id, f"event_{number}")
    assert [holders(house, call_id) for call_id, _ in calls] == before
    for call_id, _ in calls:
        house.hang_up(call_id)
        house.ended(call_id)
