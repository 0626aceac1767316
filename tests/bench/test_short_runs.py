"""The benches in a form of seconds: what a whole house keeps of many calls, whatever befalls its observers."""

from __future__ import annotations

from pathlib import Path

from bench import kill, load
from bench.field import put_up
from bench.reader import Sightings


def test_many_calls_are_recorded_whole(tmp_path: Path) -> None:
    outcome = load.run(tmp_path, calls=20, rate=20, seconds=2, per_second=20)
    assert outcome.verdict.faults == {}
    assert outcome.verdict.calls == 20
    assert set(outcome.verdict.gaps) <= {"attach_late"}  # on a machine that is busy with other things
    assert len(outcome.latencies) == outcome.verdict.stored > 20


def test_a_killed_observer_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with put_up(tmp_path, rate=5, observers=kill.OBSERVERS) as field:
        outcome = kill.run(field, calls=20, per_second=20, seconds=4, every=2)
    assert outcome.verdict.faults == {}
    assert outcome.kills
    assert outcome.verdict.gaps["taken_over"]
    assert outcome.takeovers


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
