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

from call_log import calls, inheritance, nodes
from call_log.call import Call
from call_log.inbox import Message
from call_log.inheritance import Inheritance
from call_log.journal import Journal
from call_log.seal import Seal
from call_log.store import Connection, Store, StoreUnavailable
from call_log.work import INTENT_STALE_AFTER_MS, Work
from observer import __version__, days, erasing, succession
from observer.allocation import CallsOver
from observer.guardrails import Guardrails
from observer.http_tools import HttpTools
from observer.limits import Limits
from observer.line import Line
from observer.observed_call import ObservedCall
from observer.redaction import Redactions
from observer.room import NEARLY_FULL, room
from observer.steady import SteadyClock
from observer.tool_pool import Pool
from observer.watch import CallLogWatch, Waiting
from observer.watchdog import Watchdog
from observer.webhooks import Webhook, deliver
from observer.writer import Writer, wall_clock
from realtime.client import Client, tls_context
from realtime.credential import Credential
from realtime.endpoints import Upstream
from realtime.prices import Prices
from realtime.profiles import Profiles

log = structlog.get_logger()

CLAIMED_AT_ONCE = 200
ADOPTED_AT_ONCE = 20
"""Nothing is missed while a call waits for its heir, but all is late while the heir takes too many at once."""
RESTART_SECONDS = 1.0
CHECKPOINT_SECONDS = 1.0
SUMMARY_SECONDS = 2.0
SUMMARISED_AT_ONCE = 20
DOUBT_SECONDS = 0.5
READS_AT_ONCE = 2


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
        profiles: Profiles,
        http_tools: HttpTools,
        guardrails: Guardrails,
        seal: Seal | None = None,
        webhook: Webhook | None = None,
    ) -> None:
        self.node_id = f"node_{secrets.token_hex(8)}"
        self._store, self._limits, self._webhook = store, limits, webhook
        self._lock = nodes.NodeLock(store.lock_folder / f"{self.node_id}.lock")
        self._writer = Writer(store, self.node_id, limits, Journal(succession.journal_path(self._lock)))
        self._line = Line(
            node_id=self.node_id,
            upstream=upstream,
            credential=credential,
            client=client,
            tls=tls_context(),
            store=store,
            prices=prices,
            writer=self._writer,
            limits=limits,
            redactions=redactions,
            profiles=profiles,
            guardrails=guardrails,
            lock=self._lock,
            dials=asyncio.Semaphore(limits.dials_at_once),
            reads=asyncio.Semaphore(READS_AT_ONCE),
            tool_pool=Pool(),
            http_tools=http_tools,
            leaving=asyncio.Event(),
            seal=seal,
        )
        self._following: dict[int, ObservedCall] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._adopting: dict[int, asyncio.Task[None]] = {}
        self._waiting: Waiting | None = None
        self._in_doubt = False
        self._woken = asyncio.Event()
        self._clock, self._over = SteadyClock(), CallsOver()

    async def run(self, stop: asyncio.Event) -> None:
        """Observe until `stop`; then hand every call over. Raises NodeLost, or StoreUnavailable at the start.

        When the writer died, nothing can be handed over: the process must end at once, and its lock with it.
        """
        await self._join()
        leaving = self._line.leaving
        watch = CallLogWatch(self._store, self.node_id, self._limits, self._wake, self._deliver, leaving)
        watchdog = Watchdog(self._limits.blocked)
        try:
            async with asyncio.TaskGroup() as together:
                duties = [together.create_task(duty) for duty in self._duties()]
                await _first_of(stop, self._writer.failed)
                if not self._writer.failed.is_set():
                    await self._hand_over()
                for duty in duties:
                    duty.cancel()
        finally:
            await watch.close()
            watchdog.stop()
            if not self._writer.failed.is_set():
                await self._leave()
        if self._writer.failed.is_set():
            raise WriterDied(self.node_id)

    async def _join(self) -> None:
        self._lock.take()
        host, pid = socket.gethostname(), os.getpid()
        await self._writer.run(
            lambda db: nodes.join(
                db, self.node_id, host=host, pid=pid, lock_path=self._lock.path, version=__version__
            )
        )
        log.info("node_joined", node=self.node_id)

    async def _hand_over(self) -> None:
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            await succession.hand_over(self._line, self._following)

    async def _leave(self) -> None:
        following, tasks = list(self._following.values()), [*self._tasks.values(), *self._adopting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(observed.release() for observed in following))
        with contextlib.suppress(StoreUnavailable):
            await self._writer.run(lambda db: nodes.leave(db, self.node_id))
        if await self._writer.close():
            self._lock.release()
        else:
            self._lock.let_go()  # whoever starts next finds the journal by it
        log.info("node_left", node=self.node_id)

    # -- duties ----------------------------------------------------------------------------------------------------

    def _duties(self) -> list[Coroutine[Any, Any, None]]:
        erase = erasing.erase(self._store, self._writer)
        days_spent = days.watch(self._store, self._following)
        duties = [self._beat(), self._serve(), self._checkpoint(), self._summarise(), erase, days_spent]
        if self._webhook is not None:
            duties.append(deliver(self._store, self._writer, self._webhook))
        return duties

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):
                full = room(len(self._following)) < NEARLY_FULL
                if not await self._writer.run(partial(nodes.heartbeat, node_id=self.node_id, full=full)):
                    raise NodeLost(self.node_id)
            await asyncio.sleep(self._limits.heartbeat)

    async def _checkpoint(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                await asyncio.to_thread(self._store.checkpoint)

    async def _summarise(self) -> None:
        """Keep the rows of the calls that are going on up to date: a few at a time, for nothing else happens meanwhile,
        and each of them every two seconds."""
        while True:
            numbers = list(self._following) or [0]
            pause = SUMMARY_SECONDS * SUMMARISED_AT_ONCE / max(len(numbers), SUMMARISED_AT_ONCE)
            for start in range(0, len(numbers), SUMMARISED_AT_ONCE):
                await asyncio.sleep(pause)
                await self._summarise_some(numbers[start : start + SUMMARISED_AT_ONCE])

    async def _summarise_some(self, numbers: list[int]) -> None:
        some = [observed for number in numbers if (observed := self._following.get(number))]
        changed = [
            calls.Summary(
                observed.call.number,
                observed.call.epoch,
                columns["summary"],
                columns["spent"],
                columns.get("carried"),
            )
            for observed in some
            if observed.record.recollection.summary_is_due()
            and (columns := observed.record.recollection.columns())
        ]
        if changed:
            with contextlib.suppress(StoreUnavailable):
                await self._writer.run(partial(calls.summarise_held, node_id=self.node_id, summaries=changed))

    def _wake(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._woken.set()

    async def _serve(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            waiting = self._waiting
            if waiting is not None:
                try:
                    await self._serve_once(waiting)
                except StoreUnavailable:
                    self._in_doubt = True
                    asyncio.get_running_loop().call_later(DOUBT_SECONDS, self._woken.set)

    async def _serve_once(self, waiting: Waiting) -> None:
        if self._in_doubt:
            self._in_doubt = False
            # A commit whose answer did not arrive may have made calls ours. One that is being adopted may be ours by
            # now as well: it is about to be followed, and two who write as one holder would contradict each other.
            held = await self._writer.run(partial(calls.held_by, node_id=self.node_id))
            known = self._following.keys() | self._adopting.keys()
            await self._follow_all([call for call in held if call.number not in known])
        await self._take_calls(waiting.work, waiting.free_locks)
        if (waiting.work.stale_intents or waiting.work.unreachable) and self._clock.can_be_trusted():
            await self._writer.run(self._settle)

    async def _take_calls(self, work: Work, free_locks: frozenset[str]) -> None:
        if self._line.leaving.is_set():
            return
        claims = bool(work.claimable or free_locks)
        inherits = bool(work.handed_over) and len(self._adopting) < ADOPTED_AT_ONCE
        if claims:
            await succession.bury_the_dead(self._line)
        if claims or inherits:
            # Together: while much is written, each has to wait for its turn.
            take = partial(self._take, free_locks if claims else None, inherits)
            claimed, reserved = await self._writer.run(take)
            for call in reserved:
                self._adopt(call)
            await self._follow_all(claimed)

    def _settle(self, db: Connection) -> None:
        """End what no observer can ever attach to: intents whose process died, and calls without an upstream id."""
        now = wall_clock()
        calls.fail_stale_intents(db, older_than=now - INTENT_STALE_AFTER_MS, at=now)
        calls.end_unreachable(db, older_than=now - int(self._limits.session_longest * 1000), at=now)

    def _take(
        self, free_locks: frozenset[str] | None, inherits: bool, db: Connection
    ) -> tuple[list[Call], list[Call]]:
        """The calls that are ours now, and those whose heir we are. `free_locks`: None where there is nothing to
        claim."""
        claimed = self._claim(free_locks, db) if free_locks is not None else []
        return claimed, self._reserve(db) if inherits else []

    def _claim(self, free_locks: frozenset[str], db: Connection) -> list[Call]:
        limit = min(CLAIMED_AT_ONCE, room(len(self._following)))
        return calls.claim(db, self.node_id, limit=limit, at=wall_clock(), free_locks=free_locks)

    def _reserve(self, db: Connection) -> list[Call]:
        limit = min(ADOPTED_AT_ONCE, room(len(self._following))) - len(self._adopting)
        return calls.reserve(db, self.node_id, limit=max(0, limit))

    def _deliver(self, messages: list[Message]) -> None:
        for message in messages:
            observed = self._following.get(message.number)
            if observed is not None:
                observed.take(message)

    # -- calls -----------------------------------------------------------------------------------------------------

    def _adopt(self, reserved: Call) -> None:
        async def adopt() -> None:
            observed = await succession.adopt(self._line, reserved)
            del self._adopting[reserved.number]
            if observed is not None:
                self._follow(observed)
            else:
                # It is somebody else's; or it is ours, and the answer to that commit was lost.
                self._in_doubt = True
                self._woken.set()

        task = asyncio.create_task(adopt(), name=f"adopting {reserved.call_id}")
        self._adopting[reserved.number] = task

    async def _follow_all(self, claimed: list[Call]) -> None:
        """What earlier holders left of all of them is looked at at once: one by one would keep the dials waiting."""
        had_holders = [call for call in claimed if call.last_seq]
        left = await asyncio.to_thread(self._left_by_others, had_holders) if had_holders else {}
        for call in claimed:
            self._follow(ObservedCall(call, self._line, left.get(call.number)))

    def _left_by_others(self, claimed: list[Call]) -> dict[int, Inheritance]:
        with self._store.reading() as db:
            return inheritance.of(db, {call.number: call.last_seq for call in claimed})

    def _follow(self, observed: ObservedCall) -> None:
        call = observed.call
        self._following[call.number] = observed
        self._tasks[call.number] = asyncio.create_task(self._supervise(observed), name=call.call_id)
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
        if self._following.get(observed.call.number) is observed:
            del self._following[observed.call.number], self._tasks[observed.call.number]
        self._over.add(len(self._following))


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
