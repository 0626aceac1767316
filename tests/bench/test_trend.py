"""What grows is told from what swings, jumps at first, or is merely noisy."""

from __future__ import annotations

import random

from bench.trend import HOUR, Sample, trend

SECONDS, EVERY = 600, 2
HUNDREDTH = 1.0 / (0.75 * SECONDS / HOUR)
"""An hour, of 100, in the three quarters that are looked at."""
SEED = 5


def sampled(figure: float = 100.0, an_hour: float = 0.0, noise: float = 1.0) -> list[Sample]:
    chance = random.Random(SEED)  # the seed of every run
    return [
        Sample(float(at), figure + an_hour * at / HOUR + chance.gauss(0, noise))
        for at in range(0, SECONDS, EVERY)
    ]


def test_noise_is_flat() -> None:
    found = trend(sampled())
    assert found.is_flat
    assert abs(found.slope) < 3 * found.error


def test_what_grows_steadily_is_not_flat() -> None:
    found = trend(sampled(an_hour=60.0))
    assert not found.is_flat
    assert abs(found.slope - 60.0) < 3 * found.error
    assert found.last > found.second


def test_what_shrinks_is_no_trouble() -> None:
    assert trend(sampled(an_hour=-60.0)).is_flat


def test_a_hundredth_while_it_is_looked_at_is_let_pass() -> None:
    assert trend(sampled(an_hour=0.9 * HUNDREDTH, noise=0.0)).is_flat
    assert not trend(sampled(an_hour=1.1 * HUNDREDTH, noise=0.0)).is_flat


def test_what_swings_is_flat() -> None:
    assert trend([Sample(float(at), at * 7 % 40) for at in range(0, SECONDS, EVERY)]).is_flat


def test_how_it_begins_does_not_count() -> None:
    late = SECONDS / 5
    assert trend([one._replace(figure=5.0) if one.at < late else one for one in sampled()]).is_flat


def test_a_constant_is_flat() -> None:
    assert trend(sampled(figure=24.0, noise=0.0)).is_flat
