"""Whether the machine's clock can be trusted just now: what is old enough to be erased or given up is judged by it.

A clock that was set forward by a day makes everything a day older at once. Compared with a clock that only ticks, that
shows; then nothing that cannot be undone is done for a while. Leases and the order of events do not depend on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

JUMP_SECONDS = 30.0
DISTRUSTED_SECONDS = 600.0


class SteadyClock:
    """One for each duty that asks; both clocks are arguments (seconds)."""

    def __init__(
        self, wall: Callable[[], float] = time.time, ticking: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._ticking = wall, ticking
        self._offset = wall() - ticking()
        self._trusted_from = ticking()

    def can_be_trusted(self) -> bool:
        """Whether the clock has only ticked for the last ten minutes, as far as this was asked."""
        now = self._ticking()
        jump = self._wall() - now - self._offset
        if abs(jump) > JUMP_SECONDS:
            log.warning(
                "clock_jumped", seconds=round(jump), hint=f"nothing is erased for {DISTRUSTED_SECONDS:g} s"
            )
            self._offset += jump
            self._trusted_from = now + DISTRUSTED_SECONDS
        return now >= self._trusted_from
