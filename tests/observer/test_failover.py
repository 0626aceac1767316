"""The primary is lost and a standby takes its place; and a server has no connection left."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.observer.scenes import OFFER, event, gaps, heard, holders, node_of, one_call
from tests.observer.test_outages import QUICK, await_heard, await_journaled, journals
from tests.player import Player
from tests.postgres import TEMPLATE, Cluster
from tests.processes import House, until


@contextlib.contextmanager
def cluster(standby_of: Cluster | None = None, **settings: str) -> Iterator[Cluster]:
    """A server of this test's own."""
    running = Cluster(standby_of, **settings)
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture
def servers() -> Iterator[tuple[Cluster, Cluster]]:
    """A primary that commits nothing before its standby has it, and that standby."""
    with cluster() as primary:
        primary.make_template()
        with cluster(primary) as standby:
            primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.run("SELECT pg_reload_conf()")
            in_step = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
            until(lambda: primary.run(in_step), "the standby in step")
            yield primary, standby


def test_a_standby_that_is_promoted_goes_on_where_the_primary_was_lost(
    tmp_path: Path, player: Player, servers: tuple[Cluster, Cluster]
) -> None:
    primary, standby = servers
    hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
    url = f"postgresql://postgres@{hosts}/{TEMPLATE}"
    house = House.build(tmp_path / "house", player.url, DATABASE_URL=url, SWITCHBOARD_SEAL_KEY="5e" * 32)
    node_of(house.start_observer("-c", QUICK))
    house.start_web()
    house.ready()
    calls = [one_call(house, player, attaches=1) for _ in range(3)]
    before = [(holders(house, call_id), gaps(house, call_id)) for call_id, _ in calls]
    for call_id, scenario in calls:
        player.say(scenario, event(1))
        await_heard(house, call_id, "event_1")
        player.say(scenario, *map(event, range(2, 20)))
    primary.stop(signal.SIGQUIT)
    for _, scenario in calls:
        player.say(scenario, *map(event, range(20, 40)))
    await_journaled(house, "event_39")
    standby.run("SELECT pg_promote()")
    house.ready()
    for call_id, scenario in calls:
        player.say(scenario, event(40))
        await_heard(house, call_id, *(f"event_{number}" for number in range(1, 41)))
    until(lambda: journals(house) == [], "the empty journals")
    assert [(holders(house, call_id), gaps(house, call_id)) for call_id, _ in calls] == before
    one_call(house, player, attaches=1)
    house.stop()
    house.verify()


def test_a_server_without_connections_refuses_new_calls_and_the_observer_goes_on_with_its_own(
    tmp_path: Path, player: Player
) -> None:
    with cluster(max_connections="20") as small:
        small.make_template()
        house = House.build(tmp_path / "house", player.url, DATABASE_URL=small.url(TEMPLATE))
        house.start_observer()
        first = house.start_web()
        house.ready()
        call_id, scenario = one_call(house, player, attaches=1)
        before = holders(house, call_id), gaps(house, call_id)
        assert first.stop() == 0
        house.start_web()
        with contextlib.ExitStack() as hoard:
            sessions = _all_that_are_left(small, hoard)
            answer = house.connect(OFFER)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert house.get("/readyz").status_code == 503
            assert "has no connection left; raise its max_connections" in house.logs()
            player.say(scenario, event(1))
            recorded = "SELECT 1 FROM events WHERE event_id = 'event_1'"
            until(lambda: sessions[0].execute(recorded).fetchone(), "the event in the log")
        house.ready()
        assert heard(house, call_id) == ["event_1"]
        assert (holders(house, call_id), gaps(house, call_id)) == before
        house.hang_up(call_id)
        house.ended(call_id)
        house.stop()


def _all_that_are_left(server: Cluster, hoard: contextlib.ExitStack) -> list[psycopg.Connection[object]]:
    sessions: list[psycopg.Connection[object]] = []
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            one = psycopg.connect(server.url(TEMPLATE), autocommit=True)
            sessions.append(hoard.enter_context(one))
    return sessions
