"""Whether a figure that was sampled again and again grows: its slope, and how sure that is. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

BLOCKS = 12
"""Neighbouring samples are alike; means of stretches are nearly independent of each other."""
SURE = 3.0
"""Standard errors. There are twenty figures in a run: two errors would cry wolf in every third."""
TOLERATED = 0.01
"""Of the figure, while it is looked at: so much a heap still grows that has not had its fullest moment."""
HOUR = 3600.0


class Sample(NamedTuple):
    at: float
    """Seconds."""
    figure: float


class Trend(NamedTuple):
    """Means of the second and the last quarter; the slope behind the first quarter and its standard error, an hour; and
    for how many hours that was."""

    second: float
    last: float
    slope: float
    error: float
    hours: float

    @property
    def is_flat(self) -> bool:
        """Whether nothing shows that it grew by more than a hundredth."""
        return (self.slope - SURE * self.error) * self.hours <= TOLERATED * abs(self.second)


def trend(samples: Sequence[Sample]) -> Trend:
    """What begins (the first quarter of the time) is left out. Takes at least `4 * BLOCKS` samples."""
    start, end = samples[0].at, samples[-1].at
    quarter = (end - start) / 4
    steady = [one for one in samples if one.at >= start + quarter]
    slope, error = _line(_means(steady))
    return Trend(
        fmean(one.figure for one in steady if one.at < start + 2 * quarter),
        fmean(one.figure for one in steady if one.at >= end - quarter),
        slope * HOUR,
        error * HOUR,
        (end - start - quarter) / HOUR,
    )


def _means(samples: Sequence[Sample]) -> list[Sample]:
    """Of stretches with equally many samples."""
    cuts = [len(samples) * block // BLOCKS for block in range(BLOCKS + 1)]
    stretches = [samples[left:right] for left, right in pairwise(cuts)]
    return [Sample(fmean(one.at for one in some), fmean(one.figure for one in some)) for some in stretches]


def _line(points: Sequence[Sample]) -> tuple[float, float]:
    """Least squares: the slope and its standard error."""
    mid_at, mid = fmean(one.at for one in points), fmean(one.figure for one in points)
    spread = sum((one.at - mid_at) ** 2 for one in points)
    slope = sum((one.at - mid_at) * (one.figure - mid) for one in points) / spread
    rest = sum((one.figure - mid - slope * (one.at - mid_at)) ** 2 for one in points)
    return slope, math.sqrt(rest / (len(points) - 2) / spread)
