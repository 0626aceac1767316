"""Which event does what to the state of a conversation. Pure: it asks no clock, touches nothing, and whatever an event
holds, it does not raise. How the state is shown is told in `turns.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from realtime import events, fold_items, fold_responses, fold_speech
from realtime.fields import Event
from realtime.idleness import Idleness
from realtime.state import State

IDS_REMEMBERED = 200


class Fold(State):
    """The state, and `hear`, which moves it on by one event."""

    def __init__(self) -> None:
        super().__init__()
        self.idleness = Idleness()
        self._seen: dict[str, None] = {}

    def hear(self, seq: int, at: int, raw: bytes) -> None:
        """One event of the upstream; its id counts once, however often it comes among the last few."""
        head = events.header(raw)
        self.idleness.hear(head.type, at)
        ear = _EARS.get(head.type)
        event = events.read(raw) if ear and head.event_id not in self._seen else None
        if ear is None or event is None:
            return
        if head.event_id is not None:
            self._remember(head.event_id)
        self.seq, self.at = seq, at
        ear(self, event)

    def _remember(self, event_id: str) -> None:
        self._seen[event_id] = None
        if len(self._seen) > IDS_REMEMBERED:  # a call may last an hour and say twenty thousand events
            del self._seen[next(iter(self._seen))]


_EARS: Final[dict[str, Callable[[State, Event], None]]] = {
    **fold_items.EARS,
    **fold_speech.EARS,
    **fold_responses.EARS,
}
