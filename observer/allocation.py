"""How memory is given back, to the system and to Python.

An event may have 16 MiB, and is in memory several times while it is written. glibc puts freed blocks of up to 32 MiB by
for the next of their size, in a heap of each thread; here they go back to the system at once. Other C libraries are
left as they are.

Python's collector of garbage stops everything while it looks at all that lives: 0.3 s with 500 calls, twice a minute.
"""

from __future__ import annotations

import ctypes
import gc

CALLS_LEFT_LEAST = 100
"""What fewer than these leave, ten megabytes, is not looked for."""
MMAP_THRESHOLD = -3
"""glibc's M_MMAP_THRESHOLD; setting it also ends its growing by itself. See mallopt(3)."""
BIG_BYTES = 1024 * 1024


def return_big_blocks() -> bool:
    """Whether the C library can be told."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(MMAP_THRESHOLD, BIG_BYTES) == 1


def collect_seldom() -> None:
    """Call it once all is imported: what is there now stays, and is not looked at again. Most of what comes and goes
    with an event is given back without the collector; so it looks at new objects by ten thousands, and at all of them
    one time in two hundred."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 20)


class CallsOver:
    """What calls that are over leave in memory, some 100 KiB each: the tasks that followed one know each other, so that
    only a look at everything finds them. A look costs as much as there are calls, so there is one for as many ends."""

    def __init__(self, least: int = CALLS_LEFT_LEAST) -> None:
        """Of fewer than `least` nothing is collected."""
        self._least, self._ended = least, 0

    def add(self, going_on: int) -> None:
        """One more is over, and so many go on."""
        self._ended += 1
        if self._ended >= max(self._least, going_on):
            self._ended = 0
            gc.collect()
