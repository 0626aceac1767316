"""The conversations that somebody is looking at, folded once and resumed at their last event.

A page asks four times a second: folding a long call anew each time would cost more than all else. Knows how to
keep and resume folds; what an event means is realtime/turns.py's.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from call_log import events
from call_log.call import Call
from call_log.store import Connection
from realtime.prices import Prices
from realtime.summary import summarise
from realtime.turns import Conversation, Turn
from token_service.queries import when

WATCHED_MAX = 256
READ_ROWS = 1_000


class Conversations:
    """At most WATCHED_MAX folds; the one that was looked at longest ago is let go first."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._lock = threading.Lock()
        self._watched: OrderedDict[int, tuple[threading.Lock, Conversation]] = OrderedDict()

    def of(self, db: Connection, call: Call, after: int) -> dict[str, object]:
        """The turns that changed after `after`, the conversation in numbers, and how far the fold has come."""
        lock, conversation = self._watch(call.number)
        with lock:
            _catch_up(db, call.number, conversation)
            return {
                "summary": summarise(conversation, self._prices, call.underlying, call.transcription),
                "turns": [shown(turn) for turn in conversation.changed_since(after)],
                "last_seq": conversation.last_seq,
            }

    def whole(self, db: Connection, call: Call) -> list[Turn]:
        """Every turn, in order."""
        lock, conversation = self._watch(call.number)
        with lock:
            _catch_up(db, call.number, conversation)
            return conversation.turns

    def _watch(self, number: int) -> tuple[threading.Lock, Conversation]:
        with self._lock:
            found = self._watched.setdefault(number, (threading.Lock(), Conversation()))
            self._watched.move_to_end(number)
            while len(self._watched) > WATCHED_MAX:
                self._watched.popitem(last=False)
            return found


def shown(turn: Turn) -> dict[str, object]:
    """A turn as the API shows it: times as RFC 3339."""
    facts = turn.as_json() | {"started_at": when(turn.started_at), "ended_at": when(turn.ended_at)}
    if turn.tool is not None:
        times = {"started_at": when(turn.tool["started_at"]), "ended_at": when(turn.tool["ended_at"])}
        facts["tool"] = turn.tool | times
    return facts


def _catch_up(db: Connection, number: int, conversation: Conversation) -> None:
    while rows := events.after(db, number, conversation.last_seq, limit=READ_ROWS):
        for row in rows:
            conversation.hear(row.seq, row.at, row.source, row.body)
