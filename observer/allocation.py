"""How the C library gives memory back: an event may have 16 MiB, and is in memory several times while it is written.

glibc puts freed blocks of up to 32 MiB by for the next of their size, in a heap of each thread; here they go back to
the system at once. Other C libraries are left as they are.
"""

from __future__ import annotations

import ctypes

MMAP_THRESHOLD = -3
"""glibc's M_MMAP_THRESHOLD; setting it also ends its growing by itself. See mallopt(3)."""
BIG_BYTES = 1024 * 1024


def return_big_blocks() -> bool:
    """Whether the C library can be told."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(MMAP_THRESHOLD, BIG_BYTES) == 1
