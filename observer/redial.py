"""How soon a lost sideband is dialled again. Pure: seconds in, seconds out.

The first time at once, for what is said meanwhile is lost. But an upstream that takes each sideband and soon loses it
(an event that is too big and comes again, a server that is ill) must not be dialled as fast as it can answer; nor for
ever, where it says each time that it is ill.
"""

from __future__ import annotations

import random

from observer.limits import Limits

SECOND_PAUSE = 0.25


class Redial:
    """One for each call."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._pause, self._ill = limits, 0.0, 0

    @property
    def is_in_vain(self) -> bool:
        """The upstream was ill so often in a row that nobody will ever hear this call."""
        return self._ill >= self._limits.ill_at_most

    def pause(self, stood: float, was_ill: bool = False) -> float:
        """Seconds before the next dial, after a sideband that stood for so many seconds. `was_ill`: the upstream said
        on it that it had failed."""
        has_stood = stood >= self._limits.steady
        self._ill = self._ill + 1 if was_ill and not has_stood else 0
        if has_stood:
            self._pause = 0.0
        pause = self._pause
        self._pause = min(max(pause * 2, SECOND_PAUSE), self._limits.slow_retry)
        return pause * random.uniform(0.75, 1.25)
