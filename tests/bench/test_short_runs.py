"""The benches in a form of seconds: what a whole house keeps of many calls, whatever befalls its observers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench import flat, kill, load, outage, pause, races, restart, tool_kills
from bench.field import put_up
from bench.reader import Sightings
from bench.stores import urls
from bench.tool_kills import Outcome


def test_many_calls_are_recorded_whole(tmp_path: Path) -> None:
    outcome = load.run(tmp_path, calls=20, rate=20, seconds=2, per_second=20, opening_rate=5)
    assert outcome.verdict.faults == {}
    assert outcome.verdict.calls == 20
    assert set(outcome.verdict.gaps) <= {"attach_late"}  # on a machine that is busy with other things
    assert outcome.verdict.stored >= len(outcome.latencies) > 20


def test_a_killed_observer_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with put_up(tmp_path, rate=5, observers=kill.OBSERVERS) as field:
        outcome = kill.run(field, calls=20, per_second=20, seconds=4, every=2)
    assert outcome.verdict.faults == {}
    assert outcome.kills
    assert outcome.verdict.gaps["taken_over"]
    assert outcome.takeovers


def test_an_observer_that_was_paused_writes_and_asks_nothing_stale(tmp_path: Path) -> None:
    with put_up(tmp_path, rate=5, observers=pause.OBSERVERS) as field:
        outcome = pause.run(field, calls=10, times=1)
    assert (outcome.verdict.faults, outcome.hang_ups) == ({}, 0)


@pytest.mark.parametrize("kind", ["locked", "postgresql"])
def test_a_store_that_is_away_loses_nothing_and_moves_no_call(tmp_path: Path, kind: str) -> None:
    with (
        outage.KINDS[kind](tmp_path) as (url, away),
        put_up(tmp_path, rate=5, observers=outage.OBSERVERS, database_url=url) as field,
    ):
        outcome = outage.run(field, away, calls=10, per_second=20, seconds=4)
    assert (outcome.verdict.faults, outcome.moved) == ({}, 0)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_each_call_has_one_winner_when_four_processes_race_for_them(kind: str, seed: int) -> None:
    with urls([kind]) as (url,):
        assert races.race(url, 200, seed) >= len(races.NODES)


def test_no_tool_runs_twice_while_observers_are_killed(tmp_path: Path) -> None:
    with urls(["sqlite"]) as (url,):
        outcome = tool_kills.run(tmp_path, url, calls=3, count=15, per_second=5, every=1)
    assert outcome.faults == []
    assert outcome.kills
    assert outcome.states["answered"]


def test_it_is_told_where_a_tool_ran_twice_or_the_log_tells_another_story() -> None:
    once, said = Counter({7: 1, 8: 1}), Counter(answered=2)
    assert Outcome(2, 1, once, said).faults == []
    assert Outcome(2, 1, once, Counter(answered=1, unknown=1)).faults == []
    for runs, states in (
        (Counter({7: 2}), said),
        (once, Counter(answered=1)),
        (once, Counter(answered=3)),
        (once, Counter(answered=2, started=1)),
        (Counter[int](), Counter[str]()),
    ):
        assert len(Outcome(2, 1, runs, states).faults) == 1


def test_a_rollover_loses_no_call(tmp_path: Path) -> None:
    with put_up(tmp_path, rate=5) as field:
        outcome = restart.run(field, calls=10, rollovers=1, connects=5)
    assert outcome.verdict.faults == {}
    (rollover,) = outcome.rollovers
    assert (rollover.lost, outcome.refused) == (0, [])
    assert set(outcome.verdict.gaps) >= set(rollover.gaps)


def test_calls_that_come_and_go_are_recorded_whole(tmp_path: Path) -> None:
    with put_up(tmp_path, rate=5, observers=flat.OBSERVERS) as field:
        outcome = flat.run(field, calls=6, lives=2, seconds=5, every=0.05)
    assert outcome.verdict.faults == {}
    assert outcome.verdict.calls >= outcome.opened > 6
    trends = outcome.trends()
    assert {"WAL, MiB", "web, threads", "observer 2, RSS in MiB", "observer 1, descriptors"} <= set(trends)
    assert all(one.second > 0 for one in trends.values())


def test_a_takeover_lasts_from_the_kill_to_the_next_holders_first_event() -> None:
    sightings = Sightings()
    for number, seq, event_id, seen_at in [
        (1, 5, "a", 90.0),
        (1, 6, "of the victim, seen late", 101.0),
        (1, 7, None, 500.0),
        (1, 8, "b", 510.0),
        (2, 3, "of another call", 520.0),
        (1, 9, "c", 530.0),
    ]:
        sightings.add(number, seq, event_id, seen_at)
    assert kill.takeovers([kill.Kill(100.0, {1: 6})], sightings) == [410.0]
    twice = [kill.Kill(100.0, {1: 6}), kill.Kill(400.0, {1: 6}), kill.Kill(525.0, {1: 8, 2: 3})]
    assert kill.takeovers(twice, sightings) == [410.0, 5.0]
