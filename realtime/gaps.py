"""How long a caller waits for an answer, by our clock and as the caller feels it. It knows times, not words.

Times are UTC milliseconds by the observer's clock, unless they are said to be the buffer's.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

OBSERVATIONS = (
    8  # of the buffer's clock that are remembered: it may drift, or stand still with the microphone
)
WINDOW_MS_MAX = 10_000  # a wait before `speech_stopped` beyond this is a clock that jumped, not a wait


class Gap(NamedTuple):
    """`response_ms`: what the observer saw. `perceived_ms`: what the caller waited; None where it can't be told."""

    response_ms: int
    perceived_ms: int | None


class BufferClock:
    """Estimates where the input buffer's clock stands against ours.

    An event about a position of the buffer can't come before that sound was heard, so each `speech_started` and
    `speech_stopped` bounds the difference from above: its arrival less its `audio_…_ms`. The least of the last few
    is the estimate. It is late by the shortest way that an event took, a few tens of milliseconds.
    """

    def __init__(self) -> None:
        self.differences: list[int] = []

    def observe(self, at: int, position_ms: int | None) -> None:
        if position_ms is not None:
            self.differences = [*self.differences, at - position_ms][-OBSERVATIONS:]

    def ours(self, position_ms: int) -> int | None:
        """When that position of the buffer was, by our clock."""
        return min(self.differences) + position_ms if self.differences else None


class GapClock:
    """From `input_audio_buffer.speech_stopped` to `output_audio_buffer.started` of the next response.

    The perceived gap begins at the end of speech on the buffer's clock, which is `audio_end_ms` less the session's
    `silence_duration_ms`: `audio_end_ms` contains that window (OpenAI's API schema).
    Where the window is not known (semantic VAD, or a session that was not seen) it is left out, and the perceived gap
    is a lower bound.
    """

    def __init__(self) -> None:
        self.buffer = BufferClock()
        self.silence_ms = 0
        self._seq = 0
        self._at: int | None = None
        self._window_ms: int | None = None

    def packed(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "differences": self.buffer.differences,
            "silence_ms": self.silence_ms,
            "waits": [self._seq, self._at, self._window_ms],
        }

    @classmethod
    def unpacked(cls, packed: dict[str, Any]) -> Self:
        """What `packed` gave."""
        gaps = cls()
        gaps.buffer.differences = list(packed["differences"])
        gaps.silence_ms = packed["silence_ms"]
        gaps._seq, gaps._at, gaps._window_ms = packed["waits"]
        return gaps

    def start(self, seq: int, at: int, audio_end_ms: int | None) -> None:
        """The caller fell silent: `speech_stopped` came at `at`."""
        self._seq, self._at, self._window_ms = seq, at, None
        self.buffer.observe(at, audio_end_ms)
        ended_at = self.buffer.ours(audio_end_ms) if audio_end_ms is not None else None
        if ended_at is not None:
            window = at - ended_at + self.silence_ms
            self._window_ms = window if window <= WINDOW_MS_MAX else None

    def forget(self) -> None:
        """The caller speaks on, or has typed something: the next response answers that."""
        self._at = None

    def close(self, created_seq: int | None, at: int) -> Gap | None:
        """None when nobody waits, or when this response was begun before the caller fell silent."""
        if self._at is None or (created_seq is not None and created_seq < self._seq):
            return None
        waited = max(0, at - self._at)
        self._at = None
        return Gap(waited, None if self._window_ms is None else waited + self._window_ms)
