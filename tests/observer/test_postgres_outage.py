"""The PostgreSQL server goes away under real calls, for longer than a lease, and comes back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observer.scenes import OFFER, event, gaps, holders, node_of, one_call
from tests.observer.test_outages import QUICK, await_heard, await_journaled, journals
from tests.player import Player
from tests.postgres import Cluster
from tests.processes import House, until


@pytest.fixture
def house(tmp_path: Path, player: Player, database: str) -> Iterator[House]:
    """Two observers, each of which may have calls."""
    built = House.build(tmp_path / "house", player.url, DATABASE_URL=database)
    for _ in range(2):
        node_of(built.start_observer("-c", QUICK))
    built.start_web()
    built.ready()
    yield built
    built.stop()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGQUIT])
def test_what_is_heard_without_the_server_is_journaled_and_nobody_takes_anothers_calls(
    house: House, player: Player, postgres: Cluster, ending: signal.Signals
) -> None:
    calls = [one_call(house, player, attaches=1) for _ in range(3)]
    before = [(holders(house, call_id), gaps(house, call_id)) for call_id, _ in calls]
    postgres.stop(ending)
    for number, (_, scenario) in enumerate(calls):
        player.say(scenario, event(number))
    await_journaled(house, *(f"event_{number}" for number in range(3)))
    until(lambda: house.get("/readyz").status_code == 503, "the web's word that its store is away")
    assert house.connect(OFFER).status_code == 503
    postgres.start()
    house.ready()
    for number, (call_id, scenario) in enumerate(calls):
        await_heard(house, call_id, f"event_{number}")
        player.say(scenario, event(number + 10))
        await_heard(house, call_id, f"event_{number}", f"event_{number + 10}")
    until(lambda: journals(house) == [], "the empty journals")
    assert [(holders(house, call_id), gaps(house, call_id)) for call_id, _ in calls] == before
    for call_id, _ in calls:
        house.hang_up(call_id)
        house.ended(call_id)


def test_sessions_that_are_ended_again_and_again_lose_and_double_nothing(
    house: House, player: Player, postgres: Cluster
) -> None:
    call_id, scenario = one_call(house, player, attaches=1)
    for number in range(20):
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'node_%'"
        )
        player.say(scenario, event(number))
    await_heard(house, call_id, *(f"event_{number}" for number in range(20)))
    seqs = [said["seq"] for said in house.events(call_id)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(holders(house, call_id)) == 1
    house.hang_up(call_id)
    house.ended(call_id)
