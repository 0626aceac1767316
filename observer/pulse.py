"""Whether the line of an attached sideband lives, and what is done when it does not.

A sideband may be silent for minutes: nothing says so when a call is quiet (recorded July 2026: not even
`session.created` comes on attach). So the line itself is asked, by pings.
"""

from __future__ import annotations

import asyncio

from observer.limits import Limits
from observer.record import Record
from observer.sideband import Sideband

SILENT = "silent"


class Pulse:
    """One for each call: it remembers what the sidebands before did."""

    def __init__(self, record: Record, limits: Limits) -> None:
        self._record, self._limits = record, limits
        self._was_silent = False

    async def watch(self, sideband: Sideband) -> None:
        """Runs while the sideband is attached; cuts it when its line is dead.

        One that is silent from the start is dialled once more; a second one is kept, and the call is `degraded`.
        """
        if await sideband.answers(self._limits.first_pong):
            self._was_silent = False
        elif self._was_silent:
            self._record.degraded(SILENT)
        else:
            self._was_silent = True
            return sideband.cut(SILENT)
        while True:
            await asyncio.sleep(self._limits.ping_every)
            if not await sideband.answers(self._limits.pong_within):
                return sideband.cut("no pong")
