"""What `asyncio.Event` is, in a tenth of its memory: an observer has a dozen of them for each of a thousand calls, and
each event has a queue of 760 bytes for those who wait for it, who are one at most.

Knows who waits. What it stands for it does not know.
"""

from __future__ import annotations

import asyncio


class Flag:
    """Set or not. Everything happens in one event loop."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    def is_set(self) -> bool:
        """Whether it is set now."""
        return self._is_set

    def set(self) -> None:
        """Whoever waits goes on, also where it is cleared before their turn comes."""
        self._is_set = True
        for one in self._waiting:
            if not one.done():  # it may be cancelled
                one.set_result(None)

    def clear(self) -> None:
        """Whoever waits from now on waits for the next `set`."""
        self._is_set = False

    async def wait(self) -> None:
        """Until it is set; at once where it is."""
        if self._is_set:
            return
        waits: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = (*self._waiting, waits)
        try:
            await waits
        finally:
            self._waiting = tuple(one for one in self._waiting if one is not waits)
