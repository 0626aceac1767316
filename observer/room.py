"""How many calls this process can hold: as many as it may have sockets, less what it needs itself.

Knows the operating system's limit of open files, and nothing of calls.
"""

from __future__ import annotations

import resource

KEPT_BACK = 64
"""Descriptors for the store, the log, the upstream's HTTP and dials that are under way."""
NEARLY_FULL = 4
"""Calls that are being dialled still come when a node has said that it is full."""


def raise_descriptor_limit() -> None:
    """Allow this process as many open files as the system lets it have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def room(calls: int) -> int:
    """How many calls more would fit beside so many."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(0, limit - KEPT_BACK - calls)
