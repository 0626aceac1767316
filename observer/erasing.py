"""Erases what is to go: calls whose days are over, and calls whose erasure somebody wished.

Every node does this. The steps are narrow and repeat their condition, so that two which meet do no harm; in what
order they are safe is told in call_log/erasure.py. Knows how to take small turns in the writer's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

import structlog

from call_log import erasure
from call_log.erasure import Unfinished
from call_log.store import Store, StoreUnavailable
from observer.writer import Writer, wall_clock

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 1.0
CALLS_AT_ONCE = 100


async def erase(store: Store, writer: Writer) -> None:
    """Look every second, for ever; what fails for want of the store is tried again then."""
    while True:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        with contextlib.suppress(StoreUnavailable):
            while await asyncio.to_thread(_waits, store) and await erase_some(store, writer):
                pass


async def erase_some(store: Store, writer: Writer) -> bool:
    """Erase at most CALLS_AT_ONCE calls; False when the rest must wait: a reader, or another node, is in the way."""
    expired = await writer.run(partial(erasure.mark_expired, at=wall_clock(), limit=CALLS_AT_ONCE))
    marked = await asyncio.to_thread(_unfinished, store)
    for call in marked:
        await _empty(writer, call)
    if not await asyncio.to_thread(store.scrub):
        return False
    numbers = [call.number for call in marked]
    await writer.run(lambda db: erasure.finish(db, numbers, at=wall_clock()))
    log.info("calls_erased", calls=len(marked), expired=expired, events=sum(call.last_seq for call in marked))
    return True


async def _empty(writer: Writer, call: Unfinished) -> None:
    """Empty one call's events, a short transaction at a time, so that what is being recorded goes on between."""
    while not call.is_empty:
        call = await writer.run(partial(erasure.empty_a_stretch, call=call))


def _unfinished(store: Store) -> list[Unfinished]:
    with store.reading() as db:
        return erasure.unfinished(db, limit=CALLS_AT_ONCE)


def _waits(store: Store) -> bool:
    with store.reading() as db:
        return erasure.waits(db, at=wall_clock())
