"""One call from its claim to its end: attach, record, re-attach, obey a hang-up, write the end.

Knows the order of these. Whether a close or a refusal means the end is ending.py's to decide; what is on disk is
record.py's and writer.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import structlog

from call_log import calls
from call_log.call import Call
from call_log.events import EventRow
from call_log.inbox import Message
from call_log.inheritance import Inheritance
from call_log.recording import say_last_word
from call_log.states import EndReason
from call_log.store import Connection, StoreUnavailable
from observer import ending
from observer.attempts import Attempts
from observer.caps import CapWatch
from observer.commands import Commands
from observer.ending import Close, Ending, Wish
from observer.flag import Flag
from observer.guard import Guard
from observer.hanging_up import hang_up
from observer.history import digest_of
from observer.line import Line
from observer.presence import Presence
from observer.pulse import Pulse
from observer.record import Record
from observer.redial import Redial
from observer.sideband import Sideband
from observer.tamper_watch import TamperWatch
from observer.tools import Tools
from realtime.fields import Event

log = structlog.get_logger()

OBSERVER = "observer"
LEAVING = "leaving"
REMEMBERED_WITHIN_SECONDS = 1.0
STORE_RETRY_SECONDS = 0.5


class ObservedCall:
    """A call that this node holds."""

    def __init__(
        self,
        call: Call,
        line: Line,
        left: Inheritance | None = None,
        inherited: Sideband | None = None,
        succeeds: str | None = None,
    ) -> None:
        """`left`: what earlier holders left, where there were any, until it is remembered; `succeeds`: the last one,
        where it lives and hands the call over; `inherited`: the sideband that was attached while it still had its
        own."""
        self._left = left
        self.call, self._line, self._inherited = call, line, inherited
        self.record = Record(call, line, self._act)
        self.commands = Commands(call, line, self.record, inherits=left is not None and left.has_commands)
        self.caps = CapWatch(call, line, self.record, self.commands, self.wish)
        self._tools = Tools(call, line, self.record, self.commands)
        self._watch = TamperWatch(call, line, self.record, self.commands, self.wish)
        self._guard = Guard(call, line.guardrails, self.record, self.commands, self.wish, self._watch.is_ours)
        self.commands.about_to_send = self._watch.sent
        self._presence = Presence(call, line.node_id, self.record, line.limits, succeeds)
        self._pulse, self._redial = Pulse(self.record, line.limits), Redial(line.limits)
        self._log = log.bind(call_id=call.call_id, epoch=call.epoch)
        self._sideband: Sideband | None = None
        self._wish: Wish | None = None
        self._wished = Flag()
        self._hung_up = Flag()
        self._taken: set[int] = set()
        self._remembers = Flag()
        if not call.last_seq:
            self._remembers.set()
        self._is_known_to_be_observed, self._is_alarmed = call.state == "observed", False
        self.wish_of(call)

    def take(self, message: Message) -> None:
        """What somebody left in the inbox for this call. It is seen there until its event is on disk: taken once, and
        an earlier holder's events not before it is known what is in the log."""
        if message.id in self._taken or (message.kind == "late" and not self._remembers.is_set()):
            return
        self._taken.add(message.id)
        if message.kind == "late":
            word = self.record.take_late(message)
            if word is not None and self._presence.waits_for(message.by):
                self._presence.hear(word, is_hung_up=self._wish is not None)
            return
        if message.kind == "command":
            self.commands.take(message)
            return
        self.record.take(message)
        said = json.loads(message.body or "{}")
        if message.kind == "hang_up":
            self.wish(Wish(said["reason"], said["by"]))
        elif said.get("kind") == LEAVING:
            self.wish(Wish("caller_hung_up", "browser"))

    def _act(self, event: Event) -> None:
        """An event of the upstream is on disk: now something may be done about it."""
        self.commands.hear(event)
        self.caps.hear(event)
        self._tools.hear(event)
        self._watch.hear(event)
        self._guard.hear(event)

    async def _read_up(self) -> None:
        """Learn what is in the log. What an earlier holder left in the inbox waits for its end, the summary for all."""
        while not self._remembers.is_set():
            await self._line.reading_turn()
            try:
                async with self._line.reads:
                    rows = await asyncio.to_thread(self.record.read_back, self._line.store)
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY_SECONDS)
            else:
                self._recall(rows)
        await self._line.reading_turn()
        await self.record.recollection.catch_up(self._line.store, self._line.reads)

    async def _keep_limits(self) -> None:
        """What an earlier holder began must be known first: it may be hanging up already."""
        await self._remembers.wait()
        await self.caps.serve()

    def _recall(self, rows: Sequence[EventRow]) -> None:
        self.record.recall(rows)
        self._presence.recall(rows)
        if self.record.hung_up_for is not None:
            self.wish(Wish(cast(EndReason, self.record.hung_up_for), OBSERVER))
        self._left = None  # two hundred events, of 16 MiB each if need be
        self._remembers.set()

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
        if self.call.crashes >= self._line.limits.crashes:
            await self._quarantine()
            return
        await self._leave()
        if self._left is not None:
            await self._watch.recall()
            self._presence.resume(self._left)
            if self._left.end:
                # Before anything is recorded: both sidebands heard the same for a while.
                self._recall(self._left.end)
        async with asyncio.TaskGroup() as together:
            beside = [
                together.create_task(self._obey()),
                together.create_task(self._end_if_nobody_comes()),
                together.create_task(self._leave_if_lost()),
                together.create_task(self._doubt()),
                together.create_task(self.commands.serve()),
                together.create_task(self._read_up()),
                together.create_task(self._keep_limits()),
                together.create_task(self._tools.serve()),
                together.create_task(self._watch.serve()),
            ]
            end = await self._until_over()
            for task in beside:
                task.cancel()
        if end is not None:
            await self._write_end(end)
        else:
            self._guard.close()
        if self.record.lost.is_set():
            await self._say_the_last_word()

    async def release(self) -> None:
        """Let the call go while it lives; whoever holds it next finds the sideband left and the gap's beginning."""
        await self._leave()
        self._guard.close()

    async def _say_the_last_word(self) -> None:
        """Tell whoever holds the call now whether it has all that was heard here, behind the rows that it gets; as soon
        as the store takes it, for as long as anybody waits for it."""
        await self.record.settled()
        say = partial(
            say_last_word,
            number=self.call.number,
            node_id=self._line.node_id,
            word=self._presence.last_word(),
            at=self.record.clock(),
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._line.limits.last_word):
                await self._line.writer.insist(say)

    async def give_up(self) -> None:
        """Our own code fails on this call: nobody watches it, so it must not run on."""
        await self._leave()
        end = ending.not_observed(await hang_up(self._line, self.call))
        self._presence.over(nothing_missed=False)
        await self._write_end(end)

    async def _quarantine(self) -> None:
        """Whoever worked on this call died of it: nobody looks at what it says any more, and it must not run on."""
        self.record.note("observer.quarantined", crashes=self.call.crashes)
        self._log.error("call_quarantined", crashes=self.call.crashes)
        await self.give_up()

    # -- attached, or trying to be ---------------------------------------------------------------------------------

    async def _until_over(self) -> Ending | None:
        attempts = Attempts(self.call, self._line, self.record)
        while not self.record.lost.is_set():
            if self._wish is not None and self._inherited is None:
                await self._hung_up.wait()
                return await self._over(ending.by_wish(self._wish))
            if self._line.leaving.is_set():
                return None
            if attempts.are_too_many or self._redial.is_in_vain:
                self._log.error("call_given_up", dials=attempts.dials, seconds=round(attempts.seconds))
                return await self._over(ending.not_observed(await hang_up(self._line, self.call)))
            inherited, self._inherited = self._inherited, None
            dialled = inherited or await attempts.dial()
            if isinstance(dialled, Sideband):
                end = await self._attached(dialled, overlapped=inherited is not None)
                if end is not None:
                    return end
                attempts = Attempts(self.call, self._line, self.record)
            elif self._presence.was_attached and dialled in ending.OVER_STATUSES:
                return await self._absent(attempts.dials == 1)
            else:
                await self._wait_to_retry(attempts)
        return None

    async def _wait_to_retry(self, attempts: Attempts) -> None:
        pause = attempts.next_pause()
        if attempts.seconds + pause > self._line.limits.attach_retried:
            if not self._is_alarmed:
                self._log.error("call_unobserved", dials=attempts.dials, seconds=round(attempts.seconds))
            self._is_alarmed, self._is_known_to_be_observed = True, False
            await self._save(state="unobserved")
        await self._wished_within(pause)

    async def _wished_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wished.wait()
        except TimeoutError:
            pass

    async def _absent(self, at_once: bool) -> Ending:
        """The call is gone. Whoever hung it up may be saying so at this moment: that would be the better story.

        `at_once`: the first dial after the close found it so; an heir may dial long after the close.
        """
        asked_at = self.record.clock()
        await self._wished_within(self._line.limits.settling)
        if self._wish is not None:
            return await self._over(ending.by_wish(self._wish))
        await self._presence.word_is_heard.wait()
        close = self._presence.last_close
        end = ending.by_absence(close, self.record.peer_seen.is_set(), self.record.browser_remains)
        soon = at_once and self._presence.seconds_away(asked_at) <= self._line.limits.attach_retried
        return await self._over(end, soon and close is not None and close.is_clean)

    async def _attached(self, attached: Sideband, overlapped: bool) -> Ending | None:
        self._sideband, began = attached, asyncio.get_running_loop().time()
        self._is_alarmed, errors = False, self.record.server_errors
        digest = digest_of(self._line.session_of(self.call.profile))
        self._presence.attached(overlapped, profile_digest=digest)
        self.commands.attached(attached)
        self.caps.attached()
        self._watch.attached(attached)
        async with asyncio.TaskGroup() as beside:
            pulse = beside.create_task(self._pulse.watch(attached))
            if not self._is_known_to_be_observed:
                await self._save(state="observed", observed_at=self.record.clock())
                self._is_known_to_be_observed = True
            await self._remember_first()
            async for frame in attached.frames():
                self.record.hear(frame)
                size = len(frame)
                del frame  # 16 MiB, it may be: not to be kept until the next has come
                await self.record.room(size)
            pulse.cancel()
        await self._leave()
        await self._flush()  # what was heard last may say why
        pause = self._redial.pause(
            asyncio.get_running_loop().time() - began, self.record.server_errors > errors
        )
        return await self._closed(attached.closed, pause)

    async def _remember_first(self) -> None:
        """What earlier holders wrote is known before anything is heard, so that what an upstream says again is not
        written again; where many calls are taken over, they are heard first."""
        if not self._line.takes_many_over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REMEMBERED_WITHIN_SECONDS):
                    await self._remembers.wait()

    async def _closed(self, close: Close, pause: float) -> Ending | None:
        """The end, where the close alone tells; else wait: for so many seconds the upstream must be spared."""
        end = ending.by_close(close, self.record.session_expired)
        if end is not None:
            return await self._over(end, nothing_missed=True)
        if close.is_policy:
            self._log.error("sideband_thrown_out", code=close.code)
            self.wish(Wish("upstream_closed", OBSERVER))
        await self._wished_within(pause)
        return None

    async def _leave(self) -> None:
        """Close the sideband, where one is open, and tell the log."""
        if self._sideband is not None:
            sideband, self._sideband = self._sideband, None
            self.commands.detached()
            self._watch.detached()
            for frame in await sideband.leave():
                self.record.hear(frame)
            self._presence.detached(sideband.closed, self._wish is not None, sideband.is_drained)

    async def _over(self, end: Ending, nothing_missed: bool = False) -> Ending:
        """The call is over. What may be missing at its end is said before the end is, and the last holder may know
        best."""
        await self._presence.word_is_heard.wait()
        self._presence.over(nothing_missed)
        return end

    # -- beside it -------------------------------------------------------------------------------------------------

    async def _obey(self) -> None:
        """Hang up once somebody wishes it; then give the upstream a moment to close the sideband itself."""
        await self._wished.wait()
        if self._wish is not None and self._wish.by == OBSERVER:
            self.record.note("observer.hang_up", reason=self._wish.reason, by=OBSERVER)
            # Whoever holds the call next, if we die now, must not take our hang-up for somebody else's.
            with contextlib.suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(self._line.limits.store_patience):
                    await self.record.settled()
                    await self._line.writer.run(_nothing)
        await hang_up(self._line, self.call)
        self._hung_up.set()
        await asyncio.sleep(self._line.limits.close_after_hang_up)
        if self._sideband is not None:
            await self._sideband.close()

    async def _end_if_nobody_comes(self) -> None:
        """Counted from our attaching: of what happened before, we know nothing."""
        await self._presence.first_attached.wait()
        try:
            async with asyncio.timeout(self._line.limits.never_connected):
                await self.record.peer_seen.wait()
        except TimeoutError:
            self.wish(Wish("never_connected", OBSERVER))
        else:
            if self.call.peer_seen_at is None:
                await self._save(peer_seen_at=self.record.clock())

    async def _doubt(self) -> None:
        """A holder that hands its call over says whether everything was heard; if it does not, it died."""
        try:
            async with asyncio.timeout(self._line.limits.last_word):
                await self._presence.word_is_heard.wait()
        except TimeoutError:
            self._presence.hear(None)

    async def _leave_if_lost(self) -> None:
        await self.record.lost.wait()
        self._log.warning("call_lost_to_another_node")
        if self._sideband is not None:
            await self._sideband.close()

    # -- what is written -------------------------------------------------------------------------------------------

    async def _write_end(self, end: Ending) -> None:
        await self._guard.settled()
        await self.commands.write_settled()
        self.record.note("observer.ended", reason=end.reason, certainty=end.certainty)
        await self._flush()
        if self.call.crashes < self._line.limits.crashes:
            await self.record.recollection.catch_up(self._line.store, self._line.reads)
        await self._save(
            state="ended",
            ended_at=self.record.clock(),
            end_reason=end.reason,
            end_certainty=end.certainty,
            **self.record.recollection.columns(),
            holder=None,
        )
        self._log.info("call_ended", reason=end.reason, certainty=end.certainty)

    async def _flush(self) -> None:
        """Wait until every row of this call that was appended so far is on disk, and folded into its summary, or until
        it is known that another node holds the call; however long the store is away."""
        await self.record.settled()
        await self._line.writer.insist(_nothing)

    async def _save(self, **changes: object) -> None:
        """Change the call's row, behind all that was heard before, as soon as the store takes it."""
        await self.record.settled()
        update: Callable[..., bool] = calls.update_held
        change = partial(
            update, number=self.call.number, epoch=self.call.epoch, node_id=self._line.node_id, **changes
        )
        if not await self._line.writer.insist(change):
            self._log.info("change_refused", changes=sorted(changes))


def _nothing(db: Connection) -> None:
    """A statement that changes nothing: when it has been run, all that came before it is on disk."""
