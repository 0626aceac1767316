"""One call: the parts of it, wired, and the turns that run on it. Knows neither HTTP nor ICE."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiortc.mediastreams import MediaStreamTrack

from realtime_emulator.client_events import ClientEvents, event_id_of
from realtime_emulator.conversation import Item
from realtime_emulator.json_reading import read_object
from realtime_emulator.line import Line, Outlet
from realtime_emulator.microphone import Microphone, drain
from realtime_emulator.refusals import Mistake
from realtime_emulator.response import Response, Responses
from realtime_emulator.speaker import Speaker
from realtime_emulator.speech import Synthesizer
from realtime_emulator.usage import bill_transcription, split_pieces
from realtime_emulator.voice_activity import Detectors, SpeechStarted, SpeechStopped

_HEARING = "conversation.item.input_audio_transcription"


class Call:
    def __init__(self, line: Line, synthesizer: Synthesizer, detectors: Detectors) -> None:
        self.line = line
        self.speaker = Speaker(self._speech_started, self._speech_stopped)
        self._microphone = Microphone(detectors, lambda: line.session.turn_detection, self._notice)
        self._responses = Responses(line, synthesizer, self.speaker)
        self._reader = ClientEvents(line, self, self._responses, self._microphone, self.speaker)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = False
        self._speaking_item = ""

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
            self._run(self._microphone.listen(track))
        else:
            self._run(drain(track))

    def perform(self, response: Response) -> None:
        self._run(self._responses.perform(response))

    def finish_voice_item(self, item_id: str, audio_ms: int, speech_ms: int) -> None:
        """A turn that a client committed by hand: `committed`, the item, and its transcription."""
        self._transcribe(self._commit(item_id, audio_ms, speech_ms))

    async def close(self) -> None:
        """End what runs on the call."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.speaker.stop()
        self.settle_record()

    def settle_record(self) -> None:
        self.line.record.audio_in_ms = self._microphone.heard_ms
        self.line.record.audio_out_ms = self.speaker.spoken_ms

    def _notice(self, noticed: SpeechStarted | SpeechStopped) -> None:
        if isinstance(noticed, SpeechStarted):
            self._speaking_item = self.line.ids.new("item")
            start, item_id = noticed.audio_start_ms, self._speaking_item
            self.line.emit("input_audio_buffer.speech_started", audio_start_ms=start, item_id=item_id)
            return
        end, item_id = noticed.audio_end_ms, self._speaking_item
        self.line.emit("input_audio_buffer.speech_stopped", audio_end_ms=end, item_id=item_id)
        item = self._commit(item_id, noticed.audio_ms, noticed.speech_ms)
        detection = self.line.session.turn_detection
        if detection and detection["create_response"]:
            self._run(self._answer(item))
        else:
            self._transcribe(item)

    async def _answer(self, item: Item) -> None:
        """The recorded order: `response.created`, then the transcription, then the rest of the response."""
        await self._responses.wait_until_free()
        response = self._responses.create({}, spoken=True)
        self._transcribe(item)
        await self._responses.perform(response)

    def _commit(self, item_id: str, audio_ms: int, speech_ms: int) -> Item:
        line = self.line
        self._reader.note_committed()
        heard = line.script.next_heard(line.call_id, speech_ms / 1000)
        content = [{"type": "input_audio", "transcript": None}]
        body = {"id": item_id, "type": "message", "status": "completed", "role": "user", "content": content}
        item = Item(body, heard, audio_ms)
        previous = line.conversation.insert(item)
        line.emit("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        line.emit("conversation.item.added", previous_item_id=previous, item=item.as_json())
        line.emit("conversation.item.done", previous_item_id=previous, item=item.as_json())
        return item

    def _transcribe(self, item: Item) -> None:
        model = self.line.session.transcription_model
        if model is None:
            return
        place = {"item_id": item.id, "content_index": 0}
        for piece in split_pieces(item.words):
            padding = self.line.ids.obfuscation(piece)
            self.line.emit(f"{_HEARING}.delta", **place, delta=piece, obfuscation=padding)
        item.body["content"][0]["transcript"] = item.words
        usage = bill_transcription(model, item.words, item.audio_ms)
        self.line.emit(f"{_HEARING}.completed", **place, transcript=item.words, usage=usage)

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
