"""The outgoing track: silence, and the model's speech when there is any, one RTP frame each 20 ms.

It is the output buffer of the protocol: it knows exactly when a response's sound began and ended to leave, and
how much of it had left when it was cut.
"""

import asyncio
import fractions
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame

from realtime_emulator.sound import Cut, Spoken
from realtime_emulator.speech import RATE

FRAME_MS = 20
FRAME_SAMPLES = RATE * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2
BYTES_PER_MS = RATE * 2 // 1000
LATEST_SECONDS = 0.2
"""When the loop was kept away longer than this, the clock starts anew instead of sending a burst."""
MOST_WAITING = 8
_SILENCE = bytes(FRAME_BYTES)


@dataclass
class _Playing:
    response_id: str
    pcm: bytes
    sent: int = 0


class Speaker(MediaStreamTrack):
    """Frames leave only while a peer is connected; speech that comes earlier waits for it."""

    kind = "audio"

    def __init__(
        self,
        started: Callable[[str], None],
        stopped: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`started` and `stopped` are called with the response's id when its first, its last frame has left."""
        super().__init__()
        self._started, self._stopped, self._clock = started, stopped, clock
        self._to_play: deque[_Playing] = deque()
        self._left: list[Callable[[], None]] = []
        self._next_at: float | None = None
        self._frames = 0
        self.spoken_ms = 0

    @property
    def flowing(self) -> bool:
        """Whether frames are leaving now."""
        return self._next_at is not None and self._clock() - self._next_at < 1.0

    @property
    def speaking(self) -> bool:
        return bool(self._to_play)

    def play(self, response_id: str, speech: Spoken, /) -> None:
        """Queue it behind what is playing. Beyond `MOST_WAITING` it is dropped: nobody seems to listen."""
        if len(self._to_play) < MOST_WAITING:
            self._to_play.append(_Playing(response_id, speech.pcm))

    def shorten(self, response_id: str, ms: int) -> None:
        """Only the first `ms` of it were made; what has left has left."""
        for one in self._to_play:
            if one.response_id == response_id:
                one.pcm = one.pcm[: max(ms * BYTES_PER_MS, one.sent, FRAME_BYTES)]

    def clear(self) -> list[Cut]:
        """Fall silent at once. Returns what was cut off, what was playing first."""
        self._tell_what_left()
        cuts = [Cut(one.response_id, min(one.sent, len(one.pcm)) // BYTES_PER_MS) for one in self._to_play]
        self._to_play.clear()
        return cuts

    async def recv(self) -> AudioFrame:
        """The next frame, when it is time. The sender asks again only after the one before has left."""
        if self.readyState != "live":
            raise MediaStreamError
        self._tell_what_left()
        await self._keep_pace()
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.planes[0].update(self._next_samples())
        frame.sample_rate = RATE
        frame.time_base = fractions.Fraction(1, RATE)
        frame.pts = self._frames * FRAME_SAMPLES
        self._frames += 1
        return frame

    def _tell_what_left(self) -> None:
        left, self._left = self._left, []
        for tell in left:
            tell()

    async def _keep_pace(self) -> None:
        now = self._clock()
        if self._next_at is None or now - self._next_at > LATEST_SECONDS:
            self._next_at = now
        wait = self._next_at - now
        self._next_at += FRAME_MS / 1000
        if wait > 0:
            await asyncio.sleep(wait)

    def _next_samples(self) -> bytes:
        if not self._to_play:
            return _SILENCE
        playing = self._to_play[0]
        samples = playing.pcm[playing.sent : playing.sent + FRAME_BYTES]
        if playing.sent == 0:
            self._left.append(lambda: self._started(playing.response_id))
        playing.sent += FRAME_BYTES
        self.spoken_ms += FRAME_MS
        if playing.sent >= len(playing.pcm):
            self._to_play.popleft()
            self._left.append(lambda: self._stopped(playing.response_id))
        return samples.ljust(FRAME_BYTES, b"\0")
