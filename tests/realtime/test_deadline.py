"""A deadline counts down on the clock that it is given."""

from __future__ import annotations

from realtime.deadline import Deadline


def test_it_counts_down_to_zero_and_no_further() -> None:
    now = [100.0]
    deadline = Deadline(10, clock=lambda: now[0])
    assert (deadline.remaining(), deadline.passed) == (10.0, False)
    now[0] = 109.5
    assert (deadline.remaining(), deadline.passed) == (0.5, False)
    now[0] = 110.0
    assert (deadline.remaining(), deadline.passed) == (0.0, True)
    now[0] = 500.0
    assert deadline.remaining() == 0.0


def test_it_runs_on_a_real_clock_by_itself() -> None:
    assert 0 < Deadline(5).remaining() <= 5
