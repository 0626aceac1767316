"""The limits of one call, kept: what is used of them, who is told in time, and when the call is hung up.

Knows which clock counts and what is known when. What the limits mean is realtime's; that the call is then seen closed
is the business of whoever obeys the wish.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from call_log.call import Call
from call_log.spending import day_of
from call_log.states import EndReason
from observer.commands import Commands
from observer.ending import Wish
from observer.flag import Flag
from observer.line import Line
from observer.recollection import NEAR, WRAP_UP
from observer.record import Record
from realtime import events
from realtime.caps import Caps, Limit, Tally, Used
from realtime.fields import Event, text_of
from realtime.idleness import Idleness

log = structlog.get_logger()

BY = "limits"
OBSERVER = "observer"
REACHED = "observer.limit_reached"
REASONS: dict[Limit, EndReason] = {
    "duration": "policy_duration",
    "idle": "policy_idle",
    "spend": "policy_spend",
    "spend_per_day": "policy_spend",
    "turns": "policy_turns",
    "tool_calls": "policy_tools",
}
LOOK_SECONDS = 1.0
APART_SECONDS = 0.05
"""Between two looks: whoever floods a call must not make us count all the time."""
_COUNTED = frozenset(
    {
        events.RESPONSE_DONE,
        events.TRANSCRIPTION_COMPLETED,
        events.ITEM_ADDED,
        events.ITEM_CREATED,
        events.ITEM_DONE,
    }
)


class CapWatch:
    """Of one held call; does nothing where its profile has no limits, or is gone. Within one holding only the monotonic
    clock counts: a wall clock that jumps ends no call.

    A holder that took the call over knows its duration at once. What else is used it reads from the log, beside
    recording; until all of that is folded, the last summary stands for it, which is about two seconds behind what the
    last holder heard. That is bounded as an outage of the store is: money that could not be counted for
    `Limits.uncounted` counts as spent. What was said in a gap is in no log, and is not counted.
    """

    def __init__(
        self,
        call: Call,
        line: Line,
        record: Record,
        commands: Commands,
        wish: Callable[[Wish], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        profile = line.profiles.get(call.profile)
        self._caps: Caps | None = profile.limits if profile else None
        self._call, self._record, self._commands, self._wish = call, record, commands, wish
        self._clock, self._patience = clock, line.limits.uncounted
        now, was_followed = clock(), call.last_seq > 0
        answered_at = call.answered_at or record.clock()
        self._began = now - max(0, record.clock() - answered_at) / 1000
        self._idleness = Idleness(_ms(now if was_followed else self._began))
        self._knows_silence = not was_followed
        self._counted_seq, self._counted_at = call.last_seq, now
        self._day_spent, self._day_read_at = 0, now
        self._said: set[str] = set()
        self._changed = Flag()
        self._is_over = False

    # -- what comes ------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """One event of the upstream that is on disk, and folded where everything before it is."""
        type = str(text_of(event, "type"))
        self._idleness.hear(type, _ms(self._clock()))
        if type in _COUNTED:
            self._changed.set()

    def attached(self) -> None:
        """What went on while nobody listened may be over."""
        self._idleness.lost(_ms(self._clock()))

    @property
    def day(self) -> tuple[str, int] | None:
        """Whose spending of which day it must know, where it must."""
        if self._caps is None or self._caps.spend_per_day is None:
            return None
        return self._call.caller, day_of(self._call.created_at)

    def day_spent(self, amount: int) -> None:
        """What all calls of the caller have spent on that day, by the store: this one as it was written last."""
        self._day_spent, self._day_read_at = amount, self._clock()

    # -- what is done ----------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Look again and again, and whenever something was used; until the call is to end, or until cancelled."""
        while self._caps is not None and not self._is_over:
            self._changed.clear()
            self.look()
            try:
                async with asyncio.timeout(self._pause(self._caps)):
                    await self._changed.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(APART_SECONDS)

    def look(self) -> None:
        """Decide by what is used now."""
        if self._caps is None or self._is_over or self._record.hung_up_for is not None:
            return
        used = self._used()
        over = self._caps.reached(used)
        if over is not None:
            self._end(over, used.get(over))
        elif self._record.recollection.is_whole:  # else nobody knows what an earlier holder has said already
            for limit, _ in self._caps.given():
                self._warn(self._caps, limit, used.get(limit))

    def _end(self, limit: Limit, used: float | None) -> None:
        self._is_over = True
        self._record.note(REACHED, limit=limit, cap=self._cap(limit), used=used)
        log.info("limit_reached", call_id=self._call.call_id, limit=limit)
        self._wish(Wish(REASONS[limit], OBSERVER))

    def _warn(self, caps: Caps, limit: Limit, used: float | None) -> None:
        """Each word once in the life of a call, whoever holds it. Silence comes and goes: nobody is warned of it."""
        if limit != "idle" and caps.near(limit, used) and self._first(f"{NEAR}:{limit}"):
            self._record.note(NEAR, limit=limit, cap=self._cap(limit), used=used)
        command_id = f"{WRAP_UP}{limit}"
        if caps.wraps_up(limit, used) and self._first(command_id):
            # An item and no response: whoever speaks goes on, and the model says goodbye at its next turn.
            whisper = {"type": "whisper", "text": caps.wrap_up_instructions}
            self._commands.ask(whisper, by=BY, command_id=command_id)

    def _first(self, mark: str) -> bool:
        if mark in self._said or mark in self._record.recollection.marks:
            return False
        self._said.add(mark)
        return True

    # -- what is used ----------------------------------------------------------------------------------------------

    def _used(self) -> Used:
        now, recollection = self._clock(), self._record.recollection
        self._learn_silence(now)
        tally = recollection.tally()
        used = tally.used()
        used["duration"] = round(now - self._began, 3)
        used["idle"] = self._idleness.quiet_ms(_ms(now)) / 1000
        used["spend_per_day"] = self._of_day(now, tally)
        if self._is_uncounted(now):
            used["spend"] = used["spend_per_day"] = None
        return used

    def _of_day(self, now: float, tally: Tally) -> int | None:
        if now - self._day_read_at > self._patience:
            return None
        unwritten = tally.spent - self._record.recollection.spent_written
        return self._day_spent + max(0, unwritten) if tally.is_priced else None

    def _is_uncounted(self, now: float) -> bool:
        """Whether there are lines of the log for too long that are not folded: the store is away, or very slow."""
        if self._record.recollection.folded_seq >= self._counted_seq:
            self._counted_seq, self._counted_at = self._record.last_seq, now
        return now - self._counted_at > self._patience

    def _learn_silence(self, now: float) -> None:
        """Once all is folded: since when it had been quiet when this holder came."""
        if not self._knows_silence and self._record.recollection.is_whole:
            self._knows_silence = True
            quiet = self._record.recollection.quiet_ms(self._record.clock(), self._call.answered_at or 0)
            self._idleness.recall(_ms(now) - quiet)

    def _pause(self, caps: Caps) -> float:
        """Until something can be over that nobody would tell of."""
        now = self._clock()
        left = [LOOK_SECONDS]
        if caps.duration is not None:
            left.append(self._began + caps.duration - now)
        if caps.idle is not None:
            left.append(caps.idle - self._idleness.quiet_ms(_ms(now)) / 1000)
        return max(0.0, min(left))

    def _cap(self, limit: Limit) -> float:
        return float(getattr(self._caps, limit))


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
