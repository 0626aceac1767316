"""The incoming track: always drained, brought to 16 kHz, and listened to. It says when a turn began and ended."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from realtime_emulator.voice_activity import (
    RATE,
    WINDOW_BYTES,
    WINDOW_MS,
    Detector,
    Detectors,
    SpeechStarted,
    SpeechStopped,
    VoiceActivity,
)

BACKLOG_BYTES = 2 * RATE * 4
"""Two seconds of sound wait for the detector at most, while it is being made."""


class Track(Protocol):
    async def recv(self) -> Any: ...


class Microphone:
    """`heard_ms` is the clock of the input buffer: all sound received since the call began."""

    def __init__(
        self,
        detectors: Detectors,
        turn_detection: Callable[[], dict[str, Any] | None],
        noticed: Callable[[SpeechStarted | SpeechStopped], None],
    ) -> None:
        """`turn_detection` is asked at each window, so that an update of the session counts at once."""
        self._detectors, self._turn_detection, self._noticed = detectors, turn_detection, noticed
        self._resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
        self._backlog = bytearray()
        self._activity = VoiceActivity()
        self.heard_ms = 0

    async def listen(self, track: Track) -> None:
        """Until the track ends. A track that nobody drains would fill the memory with decoded frames."""
        detector = asyncio.create_task(asyncio.to_thread(self._detectors.borrow))
        try:
            while True:
                self._keep(await track.recv())
                if detector.done():
                    self._judge(detector.result())
        except MediaStreamError:
            return
        finally:
            await asyncio.shield(self._give_back(detector))

    def forget(self) -> None:
        """Drop what was being said, without a word: the buffer was cleared or committed by hand."""
        self._activity = VoiceActivity()

    async def _give_back(self, detector: "asyncio.Task[Detector]") -> None:
        self._detectors.give_back(await detector)

    def _keep(self, frame: AudioFrame) -> None:
        for heard in self._resampler.resample(frame):
            self._backlog += bytes(heard.planes[0])[: heard.samples * 4]
        excess = len(self._backlog) - BACKLOG_BYTES
        if excess > 0:
            skipped = -(-excess // WINDOW_BYTES)
            del self._backlog[: skipped * WINDOW_BYTES]
            self.heard_ms += skipped * WINDOW_MS

    def _judge(self, detector: Detector) -> None:
        while len(self._backlog) >= WINDOW_BYTES:
            window = bytes(self._backlog[:WINDOW_BYTES])
            del self._backlog[:WINDOW_BYTES]
            self.heard_ms += WINDOW_MS
            self._hear(detector.score(window))

    def _hear(self, score: float) -> None:
        detection = self._turn_detection()
        if detection is None:
            self.forget()
            return
        noticed = self._activity.hear(score, self.heard_ms, detection)
        if noticed is not None:
            self._noticed(noticed)


async def drain(track: Track) -> None:
    """Read a track that nobody listens to, until it ends."""
    try:
        while True:
            await track.recv()
    except MediaStreamError:
        return
