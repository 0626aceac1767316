"""How soon a lost sideband is dialled again. Pure: seconds in, seconds out.

The first time at once, for what is said meanwhile is lost. But an upstream that takes each sideband and soon loses it
(an event that is too big and comes again, a server that is ill) must not be dialled as fast as it can answer.
"""

from __future__ import annotations

import random

from observer.limits import Limits

SECOND_PAUSE = 0.25


class Redial:
    """One for each call."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._pause = limits, 0.0

    def pause(self, stood: float) -> float:
        """Seconds before the next dial, after a sideband that stood for so many seconds."""
        if stood >= self._limits.steady:
            self._pause = 0.0
        pause = self._pause
        self._pause = min(max(pause * 2, SECOND_PAUSE), self._limits.slow_retry)
        return pause * random.uniform(0.75, 1.25)
