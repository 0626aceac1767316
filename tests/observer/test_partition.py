"""One observer is cut off from PostgreSQL alone; it keeps its sockets, another one takes over, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from call_log import journal
from call_log.store import database_at
from tests.black_hole import Wire
from tests.observer.scenes import OFFER, event, gaps, heard, holders, node_of, one_call
from tests.observer.test_command_crashes import INSTRUCTIONS
from tests.observer.test_outages import QUICK, await_heard, await_journaled, journals
from tests.player import Player, Scenario
from tests.processes import House, Process, until


@pytest.fixture
def wire(database: str) -> Iterator[Wire]:
    wire = Wire(database)
    yield wire
    wire.close()
    shutil.rmtree(database_at(wire.postgres_url).lock_folder, ignore_errors=True)


@pytest.fixture
def house(tmp_path: Path, player: Player, database: str, wire: Wire) -> Iterator[House]:
    """A web, and an observer that reaches the store over the wire: as far as the store can tell, on a machine of its
    own."""
    built = House.build(tmp_path / "house", player.url, DATABASE_URL=database, SWITCHBOARD_SEAL_KEY="5e" * 32)
    built.environ["DATABASE_URL"] = wire.postgres_url
    built.start_observer("-c", QUICK)
    built.environ["DATABASE_URL"] = database
    built.start_web()
    built.ready()
    yield built
    built.stop()
    built.verify()


def journaled(wire: Wire) -> list[str | None]:
    folder = database_at(wire.postgres_url).lock_folder
    return [kept.row.event_id for path in folder.glob("*.journal") for kept in journal.read(path)]


@pytest.mark.parametrize("how", ["cut", "hang"])
def test_who_is_cut_off_from_the_store_alone_writes_nothing_stale_and_hands_on_what_it_heard(
    house: House, player: Player, wire: Wire, how: str
) -> None:
    (first,) = house.observers
    call_id, scenario = one_call(house, player, attaches=2)
    player.say(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the first event")
    second = house.start_observer("-c", QUICK)
    names = [node_of(observer) for observer in (first, second)]
    getattr(wire, how)()
    player.say(scenario, event(2))
    until(lambda: len(scenario.dialled) == 2, "the second observer's dial")
    assert not scenario.sockets[0].closed, "who is cut off keeps its sideband"
    until(lambda: len(holders(house, call_id)) == 2, "the second holder")
    player.say_to_all(scenario, event(3))
    until(lambda: heard(house, call_id) == ["event_1", "event_3"], "what the second one hears")
    until(lambda: {"event_2", "event_3"} <= set(journaled(wire)), "the journal of the first one")
    wire.mend()
    until(lambda: heard(house, call_id) == ["event_1", "event_3", "event_2"], "what was handed on")
    until(lambda: scenario.sockets[0].closed, "the end of the first one's sideband")
    assert holders(house, call_id) == [(names[0], 1), (names[1], 2)]
    assert gaps(house, call_id).count("taken_over") == 1
    _speaks_for_itself_again(house, player, first, second)
    until(lambda: journaled(wire) == [], "the empty journal")
    house.hang_up(call_id)
    house.ended(call_id)


def test_who_is_cut_off_does_not_send_what_it_was_about_to_send(
    house: House, player: Player, wire: Wire, database: str
) -> None:
    """Its sideband stands, and its journal has the line; whether the call is still its own, only the store knows."""
    call_id, scenario = one_call(house, player, attaches=2)
    house.start_observer("-c", QUICK)
    with psycopg.connect(database) as somebody:
        somebody.execute("SELECT FROM calls WHERE call_id = %s FOR NO KEY UPDATE", (call_id,))
        assert house.command(call_id, INSTRUCTIONS).status_code == 202
        until(lambda: "mine" in journaled(wire), "the holder that is about to send")
        wire.cut()
    until(lambda: times_sent(scenario) == 1, "the second observer's sending")
    assert len(scenario.sockets) == 2 and not scenario.sockets[0].closed
    wire.mend()
    until(lambda: scenario.sockets[0].closed, "the end of the first one's sideband")
    until(lambda: journaled(wire) == [], "the empty journal")
    assert times_sent(scenario) == 1
    house.hang_up(call_id)
    house.ended(call_id)


def times_sent(scenario: Scenario) -> int:
    return sum('"event_id": "mine"' in said for said in scenario.heard)


def _speaks_for_itself_again(house: House, player: Player, first: Process, second: Process) -> None:
    """The first one is a node like any other again: once the second one is gone, it has the next call."""
    assert second.stop() == 0
    house.observers.remove(second)
    house.ready()
    call_id, _ = one_call(house, player, attaches=1)
    assert holders(house, call_id) == [(node_of(first), 1)]
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_server_that_hangs_is_a_store_that_is_away(tmp_path: Path, player: Player, wire: Wire) -> None:
    """It takes what it is sent, keeps its connections open, and never answers."""
    house = House.build(tmp_path / "house", player.url, DATABASE_URL=wire.postgres_url)
    house.start_observer("-c", QUICK)
    house.start_web()
    house.ready()
    call_id, scenario = one_call(house, player, attaches=1)
    before = holders(house, call_id), gaps(house, call_id)
    wire.hang()
    player.say(scenario, event(1))
    answer = house.connect(OFFER)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    until(lambda: house.get("/readyz").status_code == 503, "the web's word that its store is away")
    await_journaled(house, "event_1")
    wire.mend()
    house.ready()
    player.say(scenario, event(2))
    await_heard(house, call_id, "event_1", "event_2")
    until(lambda: journals(house) == [], "the empty journal")
    assert (holders(house, call_id), gaps(house, call_id)) == before
    house.hang_up(call_id)
    house.ended(call_id)
    house.stop()


def test_tables_that_somebody_holds_are_waited_for_and_nothing_is_lost(
    house: House, player: Player, database: str
) -> None:
    call_id, scenario = one_call(house, player, attaches=1)
    before = holders(house, call_id), gaps(house, call_id)
    with psycopg.connect(database) as somebody:
        somebody.execute("LOCK TABLE calls")
        player.say(scenario, event(1))
        assert house.connect(OFFER).status_code == 503
        assert house.get(f"/calls/{call_id}").status_code == 503
        assert house.get("/healthz").ok
    player.say(scenario, event(2))
    await_heard(house, call_id, "event_1", "event_2")
    assert (holders(house, call_id), gaps(house, call_id)) == before
    house.hang_up(call_id)
    house.ended(call_id)
