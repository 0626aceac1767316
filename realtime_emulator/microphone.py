"""The incoming track: always drained, brought to 16 kHz, and listened to. It says when a turn began and ended.

It is the input buffer of the protocol as far as that is a length of time: no sound is kept.
"""

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
        passed: Callable[[dict[str, Any], bool], None] = lambda detection, speaking: None,
    ) -> None:
        """`turn_detection` is asked at each window, so that an update of the session counts at once.

        `passed` is told of each window in which turns are looked for, and whether somebody is speaking in it.
        """
        self._detectors, self._turn_detection = detectors, turn_detection
        self._noticed, self._passed = noticed, passed
        self._resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
        self._backlog = bytearray()
        self._activity = VoiceActivity()
        self.heard_ms = 0
        self._empty_since_ms = 0

    @property
    def buffered_ms(self) -> int:
        """How much sound the input buffer holds: what came since it was emptied last."""
        return self.heard_ms - self._empty_since_ms

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

    def empty(self) -> None:
        """The buffer was committed or cleared; what was being said is dropped without a word."""
        self._empty_since_ms = self.heard_ms
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
            self._activity = VoiceActivity()
            return
        noticed = self._activity.hear(score, self.heard_ms, detection)
        if noticed is not None:
            self._noticed(noticed)
        self._passed(detection, self._activity.speaking)


async def drain(track: Track) -> None:
    """Read a track that nobody listens to, until it ends."""
    try:
        while True:
            await track.recv()
    except MediaStreamError:
        return
