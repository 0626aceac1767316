"""How much one call may take of the node: so fast, so much in all, and so much that waits for the store.

Knows sizes and times; what is done with a call that takes too much is told in record.py and observed_call.py.
"""

from __future__ import annotations

import math

from observer.flag import Flag
from observer.limits import Limits
from realtime.events import ERROR, RESPONSE_DONE

ROW_BYTES = 256
"""What a row costs beside its body, in memory and on disk: many small ones are a flood too."""
SLACK = 0.1
KEPT_TO_THE_LAST = frozenset({ERROR, RESPONSE_DONE})


class Pace:
    """How fast one socket is read: by events and by bytes, whichever is slower."""

    def __init__(self, limits: Limits) -> None:
        self._per_event, self._per_byte = 1 / limits.events_per_second, 1 / limits.bytes_per_second
        self._ahead_most, self._ahead, self._at = limits.burst_seconds, 0.0, 0.0

    def spend(self, size: int, now: float) -> float:
        """One event of so many bytes was read; for how many seconds to read nothing. `now` is monotonic.

        A pause is a tenth of the burst or more, so that a flood wakes us seldom.
        """
        self._ahead = max(0.0, self._ahead - (now - self._at)) + max(self._per_event, size * self._per_byte)
        self._at = now
        if self._ahead <= self._ahead_most:
            return 0.0
        return self._ahead - (1 - SLACK) * self._ahead_most


class Allowance:
    """What is recorded of one call in all. Beyond it only a few kinds of events are, and those up to a tenth more."""

    def __init__(self, most: int) -> None:
        self._most, self._spent = most, 0
        self.is_used_up = False

    def spend(self, size: int) -> None:
        """Something of so many bytes is in the log."""
        self._spent += size + ROW_BYTES

    def takes(self, type: str, size: int) -> bool:
        """Whether one more event is recorded."""
        after = self._spent + size + ROW_BYTES
        self.is_used_up |= after > self._most
        return not self.is_used_up or (type in KEPT_TO_THE_LAST and after <= (1 + SLACK) * self._most)


class Dropped:
    """Events that were heard and are not recorded, since they were last told of."""

    def __init__(self) -> None:
        self.events = self.bytes = 0
        self.from_at = self.until_at = 0

    def add(self, size: int, at: int) -> None:
        """One more, of so many bytes."""
        self.from_at = self.from_at if self.events else at
        self.events, self.bytes, self.until_at = self.events + 1, self.bytes + size, at


class Waiting:
    """What of one call waits for the store."""

    def __init__(self, most: float) -> None:
        self._most, self._bytes = most, 0
        self._room = Flag()
        self._room.set()

    def add(self, size: int) -> None:
        """A row of so many bytes was handed to the writer."""
        self._bytes += size + ROW_BYTES
        if self._bytes > self._most:
            self._room.clear()

    def done(self, size: int) -> None:
        """It is on disk."""
        self._bytes -= size + ROW_BYTES
        if self._bytes <= self._most:
            self._room.set()

    async def room(self) -> None:
        """Wait while too much waits."""
        await self._room.wait()

    def give_up(self) -> None:
        """Nothing will be told of these rows any more: nobody may wait for them."""
        self._most = math.inf
        self._room.set()
