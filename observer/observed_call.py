"""One call from its claim to its end: attach, record, re-attach, obey a hang-up, write the end.

Knows the order of these. Whether a close or a refusal means the end is ending.py's to decide; what is on disk is
record.py's and writer.py's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import cast

import structlog

from call_log import calls
from call_log.call import Call
from call_log.inbox import Message
from call_log.states import EndReason
from call_log.store import StoreUnavailable
from observer import ending
from observer.attempts import Attempts
from observer.ending import Close, Ending, Wish
from observer.line import Line
from observer.record import Record
from observer.sideband import Sideband
from realtime.deadline import Deadline
from realtime.errors import UpstreamError

log = structlog.get_logger()

OBSERVER = "observer"
LEAVING = "leaving"
HANG_UP_SECONDS = 10.0
STORE_RETRY_SECONDS = 0.5
HANG_UP_LONGEST_RETRY_SECONDS = 5.0


class ObservedCall:
    """A call that this node holds."""

    def __init__(self, call: Call, line: Line) -> None:
        self.call, self._line = call, line
        self.record = Record(call, line.writer, line.prices, line.redactions.rule(call))
        self._log = log.bind(call_id=call.call_id, epoch=call.epoch)
        self._sideband: Sideband | None = None
        self._attached_before = call.observed_at is not None
        self._gap_from: int | None = None
        self._last_close: Close | None = None
        self._first_attached = asyncio.Event()
        self._wish: Wish | None = None
        self._wished = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._taken: set[int] = set()
        self.wish_of(call)

    def take(self, message: Message) -> None:
        """What somebody left in the inbox for this call. It is seen there until its event is on disk: taken once."""
        if message.id in self._taken:
            return
        self._taken.add(message.id)
        self.record.take(message)
        said = json.loads(message.body or "{}")
        if message.kind == "hang_up":
            self.wish(Wish(said["reason"], said["by"]))
        elif said.get("kind") == LEAVING:
            self.wish(Wish("caller_hung_up", "browser"))

    def wish_of(self, call: Call) -> None:
        """The wish that stands in the call's row, where one does."""
        if call.hang_up_wished_at is not None:
            self.wish(Wish(cast(EndReason, call.hang_up_reason), call.hang_up_by or "unknown"))

    def wish(self, wish: Wish) -> None:
        """Somebody wants this call to end; the first wish counts."""
        if self._wish is None:
            self._wish = wish
            self._wished.set()

    async def follow(self) -> None:
        """Follow the call until it is over and its end is written, or until another node has taken it."""
        if self.call.last_seq:
            await asyncio.to_thread(self.record.remember, self._line.store)
            self._gap_from = self.record.last_at
        async with asyncio.TaskGroup() as together:
            beside = [
                together.create_task(self._obey()),
                together.create_task(self._end_if_nobody_comes()),
                together.create_task(self._leave_if_lost()),
            ]
            end = await self._until_over()
            for task in beside:
                task.cancel()
        if end is not None:
            await self._write_end(end)

    async def release(self) -> None:
        """Let the call go while it lives; whoever holds it next finds the sideband left and the gap's beginning."""
        if self._sideband is not None:
            await self._sideband.close()
            self._note_detached(self._sideband.closed)
        await self._save(summary=self.record.summary())

    async def give_up(self) -> None:
        """Our own code fails on this call: nobody watches it, so it must not run on."""
        await self._write_end(ending.not_observed(await self._hang_up()))

    # -- attached, or trying to be ---------------------------------------------------------------------------------

    async def _until_over(self) -> Ending | None:
        attempts = Attempts(self.call, self._line, self.record)
        while not self.record.lost.is_set():
            if self._wish is not None:
                await self._hung_up.wait()
                return ending.by_wish(self._wish)
            dialled = await attempts.dial()
            if isinstance(dialled, Sideband):
                end = await self._attached(dialled)
                if end is not None:
                    return end
                attempts = Attempts(self.call, self._line, self.record)
            elif self._attached_before and dialled in ending.OVER_STATUSES:
                return await self._absent()
            elif attempts.seconds > self._line.limits.unobserved_kept:
                return ending.not_observed(await self._hang_up())
            else:
                await self._wait_to_retry(attempts)
        return None

    async def _wait_to_retry(self, attempts: Attempts) -> None:
        if attempts.seconds > self._line.limits.attach_retried:
            await self._save(state="unobserved")
        try:
            async with asyncio.timeout(attempts.next_pause()):
                await self._wished.wait()
        except TimeoutError:
            pass

    async def _absent(self) -> Ending:
        """The call is gone. Whoever hung it up may be saying so at this moment: that would be the better story."""
        try:
            async with asyncio.timeout(self._line.limits.settling):
                await self._wished.wait()
        except TimeoutError:
            pass
        if self._wish is not None:
            return ending.by_wish(self._wish)
        peer_seen, remains = self.record.peer_seen.is_set(), self.record.browser_remains
        return ending.by_absence(self._last_close, peer_seen, remains)

    async def _attached(self, attached: Sideband) -> Ending | None:
        self._sideband = attached
        self._note_attached()
        await self._save(state="observed", observed_at=self.record.clock())
        async for frame in attached.frames():
            self.record.hear(frame)
            await self.record.room()
        self._sideband = None
        self._last_close = attached.closed
        self._gap_from = self.record.clock()
        self._note_detached(attached.closed)
        await self._save(summary=self.record.summary())
        return ending.by_close(attached.closed, self.record.session_expired)

    # -- beside it -------------------------------------------------------------------------------------------------

    async def _obey(self) -> None:
        """Hang up once somebody wishes it; then give the upstream a moment to close the sideband itself."""
        await self._wished.wait()
        if self._wish is not None and self._wish.by == OBSERVER:
            self.record.note("observer.hang_up", reason=self._wish.reason, by=OBSERVER)
        await self._hang_up()
        self._hung_up.set()
        await asyncio.sleep(self._line.limits.close_after_hang_up)
        if self._sideband is not None:
            await self._sideband.close()

    async def _end_if_nobody_comes(self) -> None:
        """Counted from our attaching: of what happened before, we know nothing."""
        await self._first_attached.wait()
        try:
            async with asyncio.timeout(self._line.limits.never_connected):
                await self.record.peer_seen.wait()
        except TimeoutError:
            self.wish(Wish("never_connected", OBSERVER))
        else:
            await self._save(peer_seen_at=self.record.clock())

    async def _leave_if_lost(self) -> None:
        await self.record.lost.wait()
        self._log.warning("call_lost_to_another_node")
        if self._sideband is not None:
            await self._sideband.close()

    async def _hang_up(self) -> bool:
        """Hang up at the upstream, as often as it takes; True when the call was running until then."""
        delay = 0.25
        while True:
            try:
                return await asyncio.to_thread(
                    self._line.client.hang_up, str(self.call.upstream_call_id), Deadline(HANG_UP_SECONDS)
                )
            except UpstreamError as error:
                self._log.error("hang_up_failed", code=error.code)
                await asyncio.sleep(delay)
                delay = min(delay * 2, HANG_UP_LONGEST_RETRY_SECONDS)

    # -- what is written -------------------------------------------------------------------------------------------

    def _note_attached(self) -> None:
        now, limits = self.record.clock(), self._line.limits
        self.record.note("observer.attached", node=self._line.node_id, epoch=self.call.epoch)
        if self._attached_before:
            self.record.note("observer.gap", cause="detached", from_at=self._gap_from, until_at=now)
        elif now - (self.call.answered_at or now) > limits.late_attach * 1000:
            self.record.note("observer.gap", cause="attach_late", from_at=self.call.answered_at, until_at=now)
        self._attached_before = True
        self._first_attached.set()
        self._log.info("sideband_attached")

    def _note_detached(self, close: Close) -> None:
        self.record.note("observer.detached", code=close.code, reason=close.reason)

    async def _write_end(self, end: Ending) -> None:
        self.record.note("observer.ended", reason=end.reason, certainty=end.certainty)
        await self._flush()
        await self._save(
            state="ended",
            ended_at=self.record.clock(),
            end_reason=end.reason,
            end_certainty=end.certainty,
            summary=self.record.summary(),
            holder=None,
        )
        self._log.info("call_ended", reason=end.reason, certainty=end.certainty)

    async def _flush(self) -> None:
        """Wait until every row of this call that was appended so far is on disk, and folded into its summary."""
        await self.record.settled()
        await self._line.writer.run(lambda db: None)

    async def _save(self, **changes: object) -> None:
        number, epoch, node_id = self.call.number, self.call.epoch, self._line.node_id
        update: Callable[..., bool] = calls.update_held
        await self.record.settled()
        while True:
            try:
                kept = await self._line.writer.run(lambda db: update(db, number, epoch, node_id, **changes))
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY_SECONDS)
            else:
                break
        if not kept:
            self._log.info("change_refused", changes=sorted(changes))
