"""One response while its events come in, and the clock between a caller's last sound and the model's first.

It knows times and outcome, not words. Times are UTC milliseconds by the observer's clock.
"""

from __future__ import annotations

from typing import Any

from realtime.fields import Event, error_of, object_of, text_of
from realtime.items import STATUSES


class Response:
    """What is known of one response so far."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.created_seq: int | None = None
        self.audio_started_at: int | None = None
        self.audio_ended_at: int | None = None
        self.ended_at: int | None = None
        self.gap_ms: int | None = None
        self.done = False
        self.status: str | None = None
        self.usage: dict[str, Any] | None = None
        self.error: str | None = None

    def finish(self, content: Event, at: int) -> None:
        """`response.done`: status, usage, and why it failed or stayed incomplete."""
        self.done = True
        self.ended_at = at
        status = text_of(content, "status")
        self.status = status if status in STATUSES else None
        self.usage = object_of(content, "usage") or None
        details = object_of(content, "status_details")
        if status == "failed":
            self.error = error_of(object_of(details, "error")) or "failed"
        elif status == "incomplete":
            self.error = text_of(details, "reason") or "incomplete"


class GapClock:
    """From `input_audio_buffer.speech_stopped` to `output_audio_buffer.started` of the next response."""

    def __init__(self) -> None:
        self._seq = 0
        self._at: int | None = None

    def start(self, seq: int, at: int) -> None:
        self._seq, self._at = seq, at

    def forget(self) -> None:
        """The caller speaks on, or has typed something: the next response answers that."""
        self._at = None

    def close(self, created_seq: int | None, at: int) -> int | None:
        """Milliseconds, or None when nobody waits, or when this response was begun before the caller fell silent."""
        if self._at is None or (created_seq is not None and created_seq < self._seq):
            return None
        gap = max(0, at - self._at)
        self._at = None
        return gap
