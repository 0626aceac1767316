"""The benches in a form of seconds: what a whole house keeps of many calls, whatever befalls its observers."""

from __future__ import annotations

from pathlib import Path

from bench import load


def test_many_calls_are_recorded_whole(tmp_path: Path) -> None:
    outcome = load.run(tmp_path, calls=20, rate=5, seconds=2, per_second=20)
    assert outcome.verdict.faults == {}
    assert outcome.verdict.sent == outcome.verdict.stored > 100
    assert not outcome.verdict.gaps
    assert len(outcome.latencies) == outcome.verdict.stored
