"""One call: the parts of it, wired, and the work that runs on it. Knows neither HTTP nor ICE."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiortc.mediastreams import MediaStreamTrack

from realtime_emulator.client_events import ClientEvents, event_id_of
from realtime_emulator.json_reading import read_object
from realtime_emulator.line import Line, Outlet
from realtime_emulator.microphone import drain
from realtime_emulator.refusals import Mistake
from realtime_emulator.responses import Responses
from realtime_emulator.speaker import Speaker
from realtime_emulator.speech import Synthesizer
from realtime_emulator.turns import Turns
from realtime_emulator.voice_activity import Detectors


class Call:
    def __init__(self, line: Line, synthesizer: Synthesizer, detectors: Detectors) -> None:
        self.line = line
        self.speaker = Speaker(self._speech_started, self._speech_stopped)
        self._responses = Responses(line, synthesizer, self.speaker)
        self._turns = Turns(line, self._responses, detectors, self._run)
        self._reader = ClientEvents(line, self._turns, self._responses, self._run)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = False

    @property
    def id(self) -> str:
        return self.line.call_id

    def hear(self, raw: str | bytes, via: str, sender: Outlet) -> None:
        """A client event has come; `via` is "data_channel" or "sideband"."""
        event: dict[str, Any] = {}
        try:
            event = read_object(raw)
            self._note(event, via)
            self._reader.obey(event)
        except Mistake as mistake:
            self.line.complain(mistake, event_id_of(event), sender)

    def listen(self, track: MediaStreamTrack) -> None:
        """The first audio track is the caller's voice; any other is drained."""
        if track.kind == "audio" and not self._listening:
            self._listening = True
            self._run(self._turns.microphone.listen(track))
        else:
            self._run(drain(track))

    async def close(self) -> None:
        """End what runs on the call."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
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

    def _note(self, event: dict[str, Any], via: str) -> None:
        kind, event_id = str(event.get("type"))[:128], event_id_of(event)
        self.line.record.client_events.append({"via": via, "type": kind, "event_id": event_id})

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
