"""What the callers of a node's calls have spent on their day, by everybody's calls: asked once for all of them.

Knows sums and whom to tell. What a day is, is the call log's; what follows from a sum, each call's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from call_log import spending
from call_log.store import Store, StoreUnavailable
from observer.observed_call import ObservedCall

LOOK_SECONDS = 1.0


async def watch(store: Store, following: Mapping[int, ObservedCall]) -> None:
    """Tell each call that has to know, about every second, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        asking = [(one, day) for one in following.values() if (day := one.caps.day) is not None]
        if not asking:
            continue
        with contextlib.suppress(StoreUnavailable):
            sums = await asyncio.to_thread(_sums, store, [day for _, day in asking])
            for observed, day in asking:
                observed.caps.day_spent(sums.get(day, 0))


def _sums(store: Store, asking: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    with store.reading() as db:
        return spending.of_callers(db, {caller for caller, _ in asking}, min(day for _, day in asking))
