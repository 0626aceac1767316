"""A call on which one speaks and hears: microphone, turns, speaker. And how such calls are made and answered."""

import asyncio

from aiortc.mediastreams import MediaStreamTrack

from realtime_emulator.call import NO_PACE, Call, Listener
from realtime_emulator.line import Line
from realtime_emulator.microphone import drain
from realtime_emulator.offers import read_offer
from realtime_emulator.peer import Peer, bind_to, overlook_the_departed
from realtime_emulator.responses import Responses
from realtime_emulator.speaker import Speaker
from realtime_emulator.speech import Synthesizer, find_flite
from realtime_emulator.tasks import Tasks
from realtime_emulator.turns import Turns
from realtime_emulator.voice_activity import Detectors

MOST_CALLS = 30
"""Open calls per process: about one core's worth. Beyond it, calls do not slow down, they drop."""


class VoiceCall(Call):
    def __init__(self, line: Line, synthesizer: Synthesizer, detectors: Detectors) -> None:
        self.speaker = Speaker(self._speech_started, self._speech_stopped)
        self._responses = Responses(line, synthesizer, self.speaker)
        tasks = Tasks()
        self._turns = Turns(line, self._responses, detectors, tasks.run)
        self._listening = False
        super().__init__(line, self._responses, self._turns, tasks)

    def listen(self, track: MediaStreamTrack) -> None:
        """The first audio track is the caller's voice; any other is drained."""
        if track.kind == "audio" and not self._listening:
            self._listening = True
            self._tasks.run(self._turns.microphone.listen(track))
        else:
            self._tasks.run(drain(track))

    def connect(self, listener: Listener) -> Peer:
        return Peer(listener, self)

    async def close(self) -> None:
        await super().close()
        self.speaker.stop()
        self.settle_record()

    def settle_record(self) -> None:
        self.line.record.audio_in_ms = self._turns.microphone.heard_ms
        self.line.record.audio_out_ms = self.speaker.spoken_ms

    def _speech_started(self, response_id: str) -> None:
        self.line.emit("output_audio_buffer.started", response_id=response_id)
        self._responses.note_started(response_id)

    def _speech_stopped(self, response_id: str) -> None:
        self.line.emit("output_audio_buffer.stopped", response_id=response_id)


class VoiceStudio:
    """Makes voice calls, each with a WebRTC peer."""

    most_calls = MOST_CALLS

    def __init__(self, media_host: str, *, flite: str | None, tones: bool) -> None:
        bind_to(media_host)
        self._synthesizer = Synthesizer(None if tones else flite or find_flite())
        self._detectors = Detectors()

    def read_offer(self, raw: bytes) -> str:
        return read_offer(raw)

    def make(self, line: Line) -> VoiceCall:
        return VoiceCall(line, self._synthesizer, self._detectors)

    def pace(self, rate: float) -> None:
        raise NO_PACE

    async def open(self) -> None:
        overlook_the_departed(asyncio.get_running_loop())

    async def close(self) -> None:
        pass
