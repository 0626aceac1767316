"""One observer process: joins the call log, keeps its heart beating, claims calls, follows each, and leaves cleanly.

Knows which calls are in its hands and what reaches it for them. How one call is followed is observed_call.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog

from call_log import calls, inbox, nodes
from call_log.call import Call
from call_log.inbox import Message
from call_log.store import Connection, Store, StoreUnavailable
from call_log.work import INTENT_STALE_AFTER_MS, SESSION_LONGEST_MS, Work
from observer import __version__
from observer.limits import Limits
from observer.line import Line
from observer.observed_call import ObservedCall
from observer.redaction import Redactions
from observer.watch import CallLogWatch
from observer.writer import Writer, wall_clock
from realtime.client import Client, tls_context
from realtime.credential import Credential
from realtime.endpoints import Upstream
from realtime.prices import Prices

log = structlog.get_logger()

CLAIMED_AT_ONCE = 200
RESTART_SECONDS = 1.0
CHECKPOINT_SECONDS = 1.0
SUMMARY_SECONDS = 2.0


class NodeLost(Exception):
    """The node's row is gone: others took it for dead, and it may not act any more."""


class WriterDied(Exception):
    """Our own code failed in the writer's thread: nothing would be durable any more."""


class Node:
    """Make it, then `run` it until `stop` is set."""

    def __init__(
        self,
        store: Store,
        upstream: Upstream,
        credential: Credential,
        client: Client,
        prices: Prices,
        limits: Limits,
        redactions: Redactions,
    ) -> None:
        self.node_id = f"node_{secrets.token_hex(8)}"
        self._store, self._limits = store, limits
        self._writer = Writer(store, self.node_id, limits)
        self._line = Line(
            self.node_id,
            upstream,
            credential,
            client,
            tls_context(),
            store,
            prices,
            self._writer,
            limits,
            redactions,
        )
        self._lock = nodes.NodeLock(store.lock_folder / f"{self.node_id}.lock")
        self._following: dict[int, tuple[ObservedCall, asyncio.Task[None]]] = {}
        self._waiting: Work | None = None
        self._free_locks: frozenset[str] = frozenset()
        self._woken = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Observe until `stop`; then hand every call back. Raises NodeLost, or StoreUnavailable at the start.

        When the writer died, nothing can be handed back: the process must end at once, and its lock with it.
        """
        await self._join()
        watch = CallLogWatch(self._store, self._wake)
        try:
            async with asyncio.TaskGroup() as together:
                duties = [together.create_task(duty) for duty in self._duties()]
                await _first_of(stop, self._writer.failed)
                for duty in duties:
                    duty.cancel()
        finally:
            await watch.close()
            if not self._writer.failed.is_set():
                await self._leave()
        if self._writer.failed.is_set():
            raise WriterDied(self.node_id)

    async def _join(self) -> None:
        self._lock.acquire()
        host, pid = socket.gethostname(), os.getpid()
        await self._writer.run(
            lambda db: nodes.join(
                db, self.node_id, host=host, pid=pid, lock_path=self._lock.path, version=__version__
            )
        )
        log.info("node_joined", node=self.node_id)

    async def _leave(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._writer.run(lambda db: nodes.drain(db, self.node_id))
        following = list(self._following.values())
        for _, task in following:
            task.cancel()
        await asyncio.gather(*(task for _, task in following), return_exceptions=True)
        await asyncio.gather(*(observed.release() for observed, _ in following))
        with contextlib.suppress(StoreUnavailable):
            await self._writer.run(lambda db: nodes.leave(db, self.node_id))
        await self._writer.close()
        self._lock.release()
        log.info("node_left", node=self.node_id)

    # -- duties ----------------------------------------------------------------------------------------------------

    def _duties(self) -> list[Coroutine[Any, Any, None]]:
        return [self._beat(), self._serve(), self._checkpoint(), self._summarise()]

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):
                if not await self._writer.run(lambda db: nodes.heartbeat(db, self.node_id)):
                    raise NodeLost(self.node_id)
            await asyncio.sleep(self._limits.heartbeat)

    async def _checkpoint(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                await asyncio.to_thread(self._store.checkpoint)

    async def _summarise(self) -> None:
        """Keep the rows of the calls that are going on up to date, all of them in one transaction."""
        while True:
            await asyncio.sleep(SUMMARY_SECONDS)
            changed = [
                (number, observed.call.epoch, observed.record.summary())
                for number, (observed, _) in self._following.items()
                if observed.record.summary_is_due()
            ]
            if changed:
                with contextlib.suppress(StoreUnavailable):
                    await self._writer.run(partial(self._save_summaries, changed))

    def _save_summaries(self, changed: list[tuple[int, int, str]], db: Connection) -> None:
        for number, epoch, summary in changed:
            calls.update_held(db, number, epoch, self.node_id, summary=summary)

    def _wake(self, waiting: Work, free_locks: frozenset[str]) -> None:
        self._waiting, self._free_locks = waiting, free_locks
        self._woken.set()

    async def _serve(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            waiting = self._waiting
            if waiting is not None:
                with contextlib.suppress(StoreUnavailable):
                    await self._serve_once(waiting)

    async def _serve_once(self, waiting: Work) -> None:
        if waiting.claimable:
            for call in await self._writer.run(self._claim):
                self._follow(call)
        if waiting.messages:
            for message in await asyncio.to_thread(self._messages):
                self._deliver(message)
        if waiting.stale_intents or waiting.unreachable:
            await self._writer.run(_settle)

    def _claim(self, db: Connection) -> list[Call]:
        return calls.claim(
            db, self.node_id, limit=CLAIMED_AT_ONCE, at=wall_clock(), free_locks=self._free_locks
        )

    def _messages(self) -> list[Message]:
        with self._store.reading() as db:
            return inbox.waiting(db, self.node_id)

    def _deliver(self, message: Message) -> None:
        followed = self._following.get(message.number)
        if followed is not None:
            followed[0].take(message)

    # -- calls -----------------------------------------------------------------------------------------------------

    def _follow(self, call: Call) -> None:
        observed = ObservedCall(call, self._line)
        task = asyncio.create_task(self._supervise(observed), name=call.call_id)
        self._following[call.number] = (observed, task)
        log.info("call_claimed", call_id=call.call_id, epoch=call.epoch)

    async def _supervise(self, observed: ObservedCall) -> None:
        """Follow one call so that its failure fells no other; a call that fails again and again is hung up."""
        crashes = 0
        while True:
            try:
                await observed.follow()
                break
            except Exception as error:
                crashes += 1
                log.exception("call_failed_in_observer", call_id=observed.call.call_id)
                observed.record.note("observer.failed", error=type(error).__name__, crashes=crashes)
                if crashes >= self._limits.crashes:
                    await observed.give_up()
                    break
                await asyncio.sleep(RESTART_SECONDS)
        self._following.pop(observed.call.number, None)


def _settle(db: Connection) -> None:
    """End what no observer can ever attach to: intents whose process died, and calls without an upstream id."""
    now = wall_clock()
    calls.fail_stale_intents(db, older_than=now - INTENT_STALE_AFTER_MS, at=now)
    calls.end_unreachable(db, older_than=now - SESSION_LONGEST_MS, at=now)


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
