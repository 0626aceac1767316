"""Whose turn it is: what follows when somebody begins or ceases to speak, commits by hand, or stays silent too long."""

from collections.abc import Callable, Coroutine
from typing import Any

from realtime_emulator.conversation import Item
from realtime_emulator.idleness import Idleness
from realtime_emulator.line import Line
from realtime_emulator.microphone import Microphone
from realtime_emulator.responses import Responses
from realtime_emulator.transcription import transcribe
from realtime_emulator.voice_activity import Detectors, SpeechStarted, SpeechStopped


class Turns:
    def __init__(
        self,
        line: Line,
        responses: Responses,
        detectors: Detectors,
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`run` sets work going that ends with the call."""
        self._line, self._responses, self._run = line, responses, run
        self.microphone = Microphone(
            detectors, lambda: line.session.turn_detection, self._notice, self._notice_silence
        )
        self._idleness = Idleness()
        self._speaking_item = ""

    def commit_by_hand(self) -> None:
        """A client says that the turn is over: `committed`, the item, and its transcription. No response follows."""
        buffered = self.microphone.buffered_ms
        item = self._commit(self._line.ids.new("item"), buffered, buffered)
        transcribe(self._line, item)

    def _notice(self, noticed: SpeechStarted | SpeechStopped) -> None:
        if isinstance(noticed, SpeechStarted):
            self._begin(noticed)
        else:
            self._end(noticed)

    def _begin(self, noticed: SpeechStarted) -> None:
        item_id = self._speaking_item = self._line.ids.new("item")
        start = noticed.audio_start_ms
        self._line.emit("input_audio_buffer.speech_started", audio_start_ms=start, item_id=item_id)
        detection = self._line.session.turn_detection
        if detection and detection["interrupt_response"]:
            self._responses.interrupt()

    def _end(self, noticed: SpeechStopped) -> None:
        end, item_id = noticed.audio_end_ms, self._speaking_item
        self._line.emit("input_audio_buffer.speech_stopped", audio_end_ms=end, item_id=item_id)
        item = self._commit(item_id, noticed.audio_ms, noticed.speech_ms)
        detection = self._line.session.turn_detection
        if detection and detection["create_response"]:
            self._run(self._answer(item))
        else:
            transcribe(self._line, item)

    def _notice_silence(self, detection: dict[str, Any], speaking: bool) -> None:
        answering = self._responses.active is not None or self._responses.audible
        now, limit = self.microphone.heard_ms, detection["idle_timeout_ms"]
        start = self._idleness.hear(now, speaking, answering, self._responses.made, limit)
        if start is None:
            return
        item_id = self._line.ids.new("item")
        times = {"audio_start_ms": start, "audio_end_ms": now}
        self._line.emit("input_audio_buffer.timeout_triggered", **times, item_id=item_id)
        self._run(self._answer(self._commit(item_id, now - start, 0)))

    async def _answer(self, item: Item) -> None:
        """The recorded order: `response.created`, then the transcription, then the rest of the response."""
        await self._responses.wait_until_free()
        response = self._responses.create(spoken=True)
        transcribe(self._line, item)
        await response.perform()

    def _commit(self, item_id: str, audio_ms: int, speech_ms: int) -> Item:
        line = self._line
        self.microphone.empty()
        heard = line.script.next_heard(line.call_id, speech_ms / 1000) if speech_ms else ""
        content = [{"type": "input_audio", "transcript": None}]
        body = {"id": item_id, "type": "message", "status": "completed", "role": "user", "content": content}
        item = Item(body, heard, audio_ms)
        previous = line.conversation.insert(item)
        line.emit("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        line.emit("conversation.item.added", previous_item_id=previous, item=item.as_json())
        line.emit("conversation.item.done", previous_item_id=previous, item=item.as_json())
        return item
