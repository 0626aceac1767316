"""One response while its events come in: its times and its outcome, not its words.

Times are UTC milliseconds by the observer's clock.
"""

from __future__ import annotations

from typing import Any

from realtime.fields import ERROR_LIMIT, Event, error_of, object_of, text_of
from realtime.gaps import Gap
from realtime.items import STATUSES, Item

TURN_DETECTED = "turn_detected"
OUTCOMES = ("completed", "cancelled", "failed", "incomplete")


class Response:
    """What is known of one response so far. `items`: what it said or called, in order of arrival."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.stand_in: Item | None = None  # a failure that left no item: it is shown all the same
        self.is_beside = False  # out of band: no part of the conversation
        self.created_seq: int | None = None
        self.created_at: int | None = None
        self.first_delta_at: int | None = None
        self.audio_started_at: int | None = None
        self.audio_ended_at: int | None = None
        self.is_cleared = False
        self.is_spoken_over = False  # the caller began to speak while it was audible
        self.ended_at: int | None = None
        self.gap: Gap | None = None
        self.done = False
        self.status: str | None = None
        self.reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.error: str | None = None

    @property
    def generation_start_ms(self) -> int | None:
        """From `response.created` to the first delta of its output; None where one of them was not seen first."""
        if self.created_at is None or self.first_delta_at is None or self.first_delta_at < self.created_at:
            return None
        return self.first_delta_at - self.created_at

    @property
    def cut_at(self) -> int | None:
        """When its sound was cut off. While the upstream has not yet said that the buffer is cleared, the moment of
        its cancelling by speech stands for it; a client's cancel lets the buffer play on."""
        if self.audio_ended_at is not None:
            return self.audio_ended_at if self.is_cleared else None
        is_cut = self.audio_started_at is not None and self.reason == TURN_DETECTED
        return self.ended_at if is_cut else None

    @property
    def is_silenced(self) -> bool:
        """Cancelled before any sound."""
        return self.status == "cancelled" and self.audio_started_at is None

    def is_interrupted(self, truncated: bool) -> bool:
        """The caller spoke while it was audible, and that cut it off."""
        was_audible = self.audio_started_at is not None or self.is_cleared
        by_speech = self.reason == TURN_DETECTED
        return (
            was_audible and (self.is_spoken_over or by_speech) and (self.is_cleared or truncated or by_speech)
        )

    def finish(self, content: Event, at: int) -> None:
        """`response.done`: status, usage, and why it was cancelled, failed or stayed incomplete."""
        self.done = True
        self.ended_at = at
        status = text_of(content, "status")
        self.status = status if status in STATUSES else None
        self.usage = object_of(content, "usage") or None
        details = object_of(content, "status_details")
        reason = text_of(details, "reason")
        if status == "failed":
            self.error = error_of(object_of(details, "error")) or "failed"
        elif status in ("cancelled", "incomplete"):
            self.reason = reason[:ERROR_LIMIT] if reason else None
        if status == "incomplete":
            self.error = self.reason or "incomplete"

    def end_sound(self, at: int, is_cleared: bool) -> bool:
        """The buffer ran dry, or was cleared; what comes first counts. True when it counts."""
        if self.audio_ended_at is not None:
            return False
        self.audio_ended_at, self.is_cleared = at, is_cleared
        return True
