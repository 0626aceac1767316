"""The conversations that somebody is looking at, folded once and resumed at their last event.

A page asks four times a second: folding a long call anew each time would cost more than all else. Knows how to
keep and resume folds; what an event means is realtime/turns.py's.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from call_log import events
from call_log.call import Call
from call_log.store import Connection
from realtime.prices import Prices
from realtime.summary import summarise
from realtime.turns import Conversation, Turn
from token_service import views

WATCHED_MAX = 256
READ_ROWS = 1_000


class Conversations:
    """At most WATCHED_MAX folds; the one that was looked at longest ago is let go first."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._lock = threading.Lock()
        self._watched: OrderedDict[int, tuple[threading.Lock, Conversation]] = OrderedDict()

    def of(self, db: Connection, call: Call, after: int, *, everything: bool) -> dict[str, object]:
        """The turns that changed after `after`, the conversation in numbers, and how far the fold has come; of
        an erased call no turns, and the numbers of its row stand."""
        if call.erased_at is not None:
            self._forget(call.number)
            return {"turns": [], "last_seq": call.last_seq}
        lock, conversation = self._watch(call.number)
        with lock:
            _catch_up(db, call.number, conversation)
            changed = conversation.changed_since(after)
            return {
                "summary": views.summary(self._summary(call, conversation), everything=everything),
                "turns": [views.turn(turn) for turn in views.turns(changed, everything=everything)],
                "last_seq": conversation.last_seq,
            }

    def whole(self, db: Connection, call: Call, *, everything: bool) -> list[Turn]:
        """Every turn that may be shown, in order; none of a call that was erased."""
        if call.erased_at is not None:
            self._forget(call.number)
            return []
        lock, conversation = self._watch(call.number)
        with lock:
            _catch_up(db, call.number, conversation)
            return views.turns(conversation.turns, everything=everything)

    def _summary(self, call: Call, conversation: Conversation) -> dict[str, Any]:
        return summarise(conversation, self._prices, call.underlying, call.transcription)

    def _forget(self, number: int) -> None:
        with self._lock:
            self._watched.pop(number, None)

    def _watch(self, number: int) -> tuple[threading.Lock, Conversation]:
        with self._lock:
            found = self._watched.setdefault(number, (threading.Lock(), Conversation()))
            self._watched.move_to_end(number)
            while len(self._watched) > WATCHED_MAX:
                self._watched.popitem(last=False)
            return found


def _catch_up(db: Connection, number: int, conversation: Conversation) -> None:
    while rows := events.after(db, number, conversation.last_seq, limit=READ_ROWS):
        for row in rows:
            conversation.hear(row.seq, row.at, row.source, row.body)
