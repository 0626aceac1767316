"""When a sideband was attached to a call and when not, told in the call's log, with every gap between.

Knows times and causes. It attaches nothing, and what a close means for the call is ending.py's.
"""

from __future__ import annotations

import math

from call_log.call import Call
from call_log.inheritance import Inheritance
from observer.ending import Close
from observer.flag import Flag
from observer.limits import Limits
from observer.record import Record
from realtime.logs import scrubbed


class Presence:
    """One for each held call. `attached` and `detached` alternate; `over` comes last."""

    def __init__(self, call: Call, node_id: str, record: Record, limits: Limits) -> None:
        self._record, self._limits, self._node_id, self._epoch = record, limits, node_id, call.epoch
        self._answered_at, self.was_attached = call.answered_at, call.observed_at is not None
        self.first_attached = Flag()
        self.last_close: Close | None = None
        self._away_since: int | None = None
        self._is_attached = self._was_hung_up = self._was_left = False
        self.was_drained = False
        """Whether the last sideband was heard to its end."""

        self._doubtful: dict[str, int | None] | None = None

    def resume(self, left: Inheritance) -> None:
        """An earlier holder attached to the call: nobody has listened since the last event of the log."""
        self._record.last_at = left.last_at
        self._was_left = left.left_at is not None
        self._away_since = left.left_at or left.last_at

    def attached(self, overlapped: bool = False, **facts: str) -> None:
        """From here on everything is heard; `facts` are noted with it. `overlapped`: the sideband was there before this
        node became the holder; then nothing is missing, if the last holder had not left before and can write down, or
        hand on, all it heard: it has a last word on that."""
        if overlapped and not self._was_left:
            until_at = self._record.clock()
            self._doubtful = {
                "after_seq": self._record.last_seq,
                "from_at": self._record.last_at,
                "until_at": until_at,
            }
        self._record.note("observer.attached", node=self._node_id, epoch=self._epoch, **facts)
        if self._doubtful is None:
            self._note_gap()
        self._is_attached, self._was_hung_up, self.was_drained = True, False, False
        self.was_attached = True
        self.first_attached.set()

    def word(self, whole: bool | None) -> None:
        """The last holder's word on what it heard, where it has one; False when it will have none any more."""
        if whole is None:
            return
        doubtful, self._doubtful = self._doubtful, None
        if doubtful is not None and not whole:
            self._record.note("observer.gap", cause="handed_over", **doubtful)

    def detached(self, close: Close, after_hang_up: bool, drained: bool) -> None:
        """From here on nothing is heard; on a line that broke, since its last sign of life.

        `after_hang_up`: the call was being hung up before the close. `drained`: the sideband was heard to its end.
        """
        self._is_attached, self.last_close, self.was_drained = False, close, drained
        self._away_since = self._record.clock() - math.ceil(close.unheard * 1000)
        self._was_hung_up = after_hang_up and not close.ours
        self._record.note_dropped()
        self._record.note("observer.detached", code=close.code, reason=scrubbed(close.reason))

    def over(self, nothing_missed: bool) -> None:
        """The call is over. `nothing_missed`: nothing can have been said since the sideband was lost; nor can it when
        the upstream closed because it was told to hang up."""
        self._record.note_dropped()
        self.word(False)
        if not (self._is_attached or nothing_missed or self._was_hung_up):
            self._note_gap()

    def _note_gap(self) -> None:
        now = self._record.clock()
        if self.was_attached:
            self._record.note("observer.gap", **self._cause(), from_at=self._away_since, until_at=now)
        elif now - (self._answered_at or now) > self._limits.late_attach * 1000:
            self._record.note("observer.gap", cause="attach_late", from_at=self._answered_at, until_at=now)

    def _cause(self) -> dict[str, object]:
        if self.last_close is None:
            return {"cause": "handed_over" if self._was_left else "taken_over"}
        if self.last_close.is_oversize:
            return {"cause": "oversize", "size": self.last_close.size}
        return {"cause": "detached"}
