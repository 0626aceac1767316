"""One call, without HTTP or ICE: what comes in is always drained."""

import asyncio
import random

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame

from realtime_emulator.conversation import Conversation
from realtime_emulator.dialects import AZURE
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.ledger import Ledger
from realtime_emulator.line import Line
from realtime_emulator.mishaps import Mishaps
from realtime_emulator.script import Script
from realtime_emulator.session import Session
from realtime_emulator.speech import Synthesizer
from realtime_emulator.voice_activity import Detectors
from realtime_emulator.voice_call import VoiceCall


class Track(MediaStreamTrack):
    """Thirty frames of silence; `drained` when somebody has asked for one more."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self._left, self.drained = kind, 30, asyncio.Event()

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(0.005)
        self._left -= 1
        if self._left < 0:
            self.drained.set()
            raise MediaStreamError
        frame = AudioFrame(format="s16", layout="stereo", samples=960)
        frame.sample_rate = 48_000
        return frame


def make_call() -> VoiceCall:
    chance = random.Random(1)
    session = Session("sess_x", {"type": "realtime"}, 0)
    ledger = Ledger()
    record = ledger.open_call("rtc_x", "azure")
    line = Line(
        "rtc_x",
        AZURE,
        Identifiers(chance),
        chance,
        session,
        Conversation("conv_x"),
        Script(),
        Mishaps(),
        record,
        ledger,
        filtered=False,
    )
    detectors = Detectors()
    detectors.give_back(detectors.borrow())
    return VoiceCall(line, Synthesizer(), detectors)


def test_every_incoming_track_is_drained_and_only_the_first_sound_is_heard() -> None:
    async def listen() -> int:
        call = make_call()
        tracks = [Track("video"), Track("audio"), Track("audio")]
        for track in tracks:
            call.listen(track)
        async with asyncio.timeout(5):
            await asyncio.gather(*(track.drained.wait() for track in tracks))
        await call.close()
        return call.line.record.audio_in_ms

    assert 400 < asyncio.run(listen()) <= 600, "600 ms of sound, and not twice as much"


def test_a_call_that_is_closed_leaves_no_task_behind() -> None:
    async def close() -> int:
        call = make_call()
        call.listen(Track("audio"))
        call.hear('{"type": "response.create"}', "sideband", call.line)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await call.close()
        return len(asyncio.all_tasks())

    assert asyncio.run(close()) == 1
