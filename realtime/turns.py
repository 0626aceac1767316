"""What a call's events mean to a person who reads it: turns with words, in their true order, with times and outcome.

Pure and resumable: it may stop and go on at any event. What each event does is told in `fold.py`; this module shows
the state. It knows no store and no page.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from realtime.fold import Fold
from realtime.items import Item, Role
from realtime.responses import Response

UPSTREAM = "upstream"


@dataclass(frozen=True)
class Turn:
    """One message of the conversation. Times are UTC milliseconds.

    `status`: in_progress, completed, cancelled, failed, incomplete, or None. `transcription` (of what a user spoke):
    pending, completed, failed, off; None for what was typed. `response_gap_ms`: from
    `input_audio_buffer.speech_stopped` to `output_audio_buffer.started` of this response. `usage`: of the whole
    response that this turn belongs to. `changed_seq`: the last event that changed this turn. `order`: its place in
    the conversation, from 0. An audible turn starts and ends with its sound, where the upstream tells of it.
    """

    item_id: str
    role: Role
    text: str
    final: bool
    modality: str
    started_at: int | None
    ended_at: int | None
    response_id: str | None
    status: str | None
    transcription: str | None
    response_gap_ms: int | None
    usage: dict[str, Any] | None
    error: str | None
    changed_seq: int
    order: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Conversation:
    """The turns of one call. `last_seq`: the last line of its log that was heard, of whatever source."""

    def __init__(self) -> None:
        self.last_seq = 0
        self._fold = Fold()

    def hear(self, seq: int, at: int, source: str, raw: bytes) -> None:
        """One line of the log. Only the upstream's events mean anything here; a line heard already is passed over."""
        if seq <= self.last_seq:
            return
        self.last_seq = seq
        if source == UPSTREAM:
            self._fold.hear(seq, at, raw)

    @property
    def turns(self) -> list[Turn]:
        """All turns in the conversation's order."""
        return [self._turn(place, item) for place, item in enumerate(self._shown())]

    def changed_since(self, seq: int) -> list[Turn]:
        """The turns that an event after `seq` changed; all of them when one moved, vanished or came in between."""
        everything = self._fold.reordered_seq > seq
        shown = enumerate(self._shown())
        return [self._turn(place, item) for place, item in shown if everything or item.changed_seq > seq]

    def summary(self) -> dict[str, Any]:
        """`{"turns", "user_turns", "assistant_turns", "response_gap_ms": {"p50", "worst", "count"} or None, "usage",
        "errors"}`. Errors are `error` events, failed responses and failed transcriptions."""
        roles = [item.role for item in self._shown()]
        return {
            "turns": len(roles),
            "user_turns": roles.count("user"),
            "assistant_turns": roles.count("assistant"),
            "response_gap_ms": _spread(
                [r.gap_ms for r in self._fold.responses.values() if r.gap_ms is not None]
            ),
            "usage": self._fold.usage.totals(),
            "errors": self._fold.errors,
        }

    def _shown(self) -> Iterator[Item]:
        items = (self._fold.items[item_id] for item_id in self._fold.order.walk())
        return (item for item in items if item.is_shown)

    def _turn(self, place: int, item: Item) -> Turn:
        response = self._fold.response_of(item) or Response()
        sound = response if item.modality == "audio" else Response()
        return Turn(
            item_id=item.item_id,
            role=item.role,
            text=item.text,
            final=item.final or response.done,
            modality=item.modality,
            started_at=sound.audio_started_at or item.started_at,
            ended_at=sound.audio_ended_at or item.ended_at or response.ended_at,
            response_id=item.response_id,
            status=response.status or item.status,
            transcription=item.transcription,
            response_gap_ms=response.gap_ms if self._is_first(item, response) else None,
            usage=response.usage,
            error=response.error or item.error,
            changed_seq=item.changed_seq,
            order=place,
        )

    def _is_first(self, item: Item, response: Response) -> bool:
        """Whether the item is its response's first message: a gap is shown once."""
        messages = (item_id for item_id in response.items if self._fold.items[item_id].is_shown)
        return next(messages, None) == item.item_id


def _spread(gaps: Sequence[int]) -> dict[str, int] | None:
    if not gaps:
        return None
    return {"p50": round(statistics.median(gaps)), "worst": max(gaps), "count": len(gaps)}
