"""When a sideband was attached to a call and when not, told in the call's log, with every gap between.

Knows times and causes. It attaches nothing, and what a close means for the call is ending.py's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from call_log.call import Call
from call_log.events import EventRow
from call_log.inheritance import Inheritance, LastWord, doubts
from observer.ending import Close
from observer.flag import Flag
from observer.limits import Limits
from observer.record import Record
from realtime.logs import scrubbed


class Presence:
    """One for each held call. `attached` and `detached` alternate; `over` comes last.

    `succeeds`: the node that hands the call over; it lives, and will have a word on what it heard until it left.
    """

    def __init__(
        self, call: Call, node_id: str, record: Record, limits: Limits, succeeds: str | None = None
    ) -> None:
        self._record, self._limits, self._node_id, self._epoch = record, limits, node_id, call.epoch
        self._succeeds = succeeds
        self._answered_at, self.was_attached = call.answered_at, call.observed_at is not None
        self.first_attached = Flag()
        self.last_close: Close | None = None
        self._away_since: int | None = None
        self._is_attached = self._was_hung_up = self._was_left = False
        self._was_drained = False
        self._doubtful: dict[str, int | None] | None = None
        self.word_is_heard = Flag()
        """There is no last holder that could say something, or it has said it, or it is too late for that."""

        if succeeds is None:
            self.word_is_heard.set()

    def resume(self, left: Inheritance) -> None:
        """An earlier holder attached to the call: nobody has listened since the last event of the log."""
        self._record.last_at = self._away_since = left.last_at
        if left.word is not None:
            self.hear(left.word)

    def recall(self, end: Sequence[EventRow]) -> None:
        """The end of what earlier holders wrote: what one of them was in doubt about and can't settle any more."""
        for doubt in doubts(end):
            self._note_handed_over(doubt)

    def attached(self, overlapped: bool = False, **facts: str) -> None:
        """From here on everything is heard; `facts` are noted with it. `overlapped`: the sideband was there before this
        node became the holder; then nothing is missing, if the last holder had not left before and can write down, or
        hand on, all it heard: it has a word on that. (Whose word is waited for, the log tells, for who comes next.)"""
        if overlapped and self._succeeds is not None and not self._was_left:
            facts["succeeds"] = self._succeeds
            until_at = self._record.clock()
            self._doubtful = {
                "after_seq": self._record.last_seq,
                "from_at": self._record.last_at,
                "until_at": until_at,
            }
        self._record.note("observer.attached", node=self._node_id, epoch=self._epoch, **facts)
        if self._doubtful is None:
            self._note_gap()
        self._is_attached, self._was_hung_up, self._was_drained = True, False, False
        self.was_attached = True
        self.first_attached.set()

    def waits_for(self, node_id: str | None) -> bool:
        """Whether this node's last word is the last holder's: one from further back says nothing of what that heard."""
        return self._succeeds in (None, node_id)

    def hear(self, word: LastWord | None, is_hung_up: bool = False) -> None:
        """The last holder's word on what it heard; None when it will have none any more. `is_hung_up`: the call was
        being hung up meanwhile."""
        self.word_is_heard.set()
        doubtful, self._doubtful = self._doubtful, None
        if doubtful is not None and not (word and word.whole):
            self._note_handed_over(doubtful)
        if word is not None and word.whole and word.code is not None and not self.first_attached.is_set():
            # Nobody has listened here: the last sideband is the one that it tells of.
            self.last_close = Close(word.code, word.reason, word.ours)
            self._was_left, self._away_since = True, word.until_at
            self._was_hung_up = (is_hung_up or word.after_hang_up) and not word.ours

    def seconds_away(self, at: int) -> float:
        """For how long nobody had listened by then (UTC milliseconds), where a sideband was lost."""
        return (at - (self._away_since or at)) / 1000

    def last_word(self) -> LastWord:
        """What this node can say of its last sideband, once it has left it."""
        close = self.last_close
        if close is None:
            return LastWord(whole=False)
        reason = scrubbed(close.reason)
        return LastWord(
            self._was_drained, self._away_since, close.code, reason, close.ours, self._was_hung_up
        )

    def detached(self, close: Close, after_hang_up: bool, drained: bool) -> None:
        """From here on nothing is heard; on a line that broke, since its last sign of life.

        `after_hang_up`: the call was being hung up before the close. `drained`: the sideband was heard to its end.
        """
        self._is_attached, self.last_close, self._was_drained = False, close, drained
        self._away_since = self._record.clock() - math.ceil(close.unheard * 1000)
        self._was_hung_up = after_hang_up and not close.ours
        self._record.note_dropped()
        said = self.last_word()._asdict()
        del said["whole"]  # of its own lines a log has all
        self._record.note("observer.detached", **said)

    def over(self, nothing_missed: bool) -> None:
        """The call is over. `nothing_missed`: nothing can have been said since the sideband was lost; nor can it when
        the upstream closed because it was told to hang up."""
        self._record.note_dropped()
        self.hear(None)
        if not (self._is_attached or nothing_missed or self._was_hung_up):
            self._note_gap()

    def _note_handed_over(self, doubt: dict[str, int | None]) -> None:
        self._record.note("observer.gap", cause="handed_over", **doubt)

    def _note_gap(self) -> None:
        now = self._record.clock()
        if self.was_attached:
            self._record.note("observer.gap", **self._cause(), from_at=self._away_since, until_at=now)
        elif now - (self._answered_at or now) > self._limits.late_attach * 1000:
            self._record.note("observer.gap", cause="attach_late", from_at=self._answered_at, until_at=now)

    def _cause(self) -> dict[str, object]:
        if self.last_close is None or not self.first_attached.is_set():
            return {"cause": "handed_over" if self._was_left else "taken_over"}
        if self.last_close.is_oversize:
            return {"cause": "oversize", "size": self.last_close.size}
        return {"cause": "detached"}
