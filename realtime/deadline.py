"""One point in time that several steps share. It knows a monotonic clock and nothing of what is being waited for."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """`seconds` from now on the given monotonic clock."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = clock() + seconds

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._ends - self._clock())

    @property
    def passed(self) -> bool:
        return self.remaining() <= 0.0
