"""One response of the model, from `response.created` to `response.done`, in the recorded order.

The order is that of the recordings of July 2026 (Azure and OpenAI). It knows nothing of HTTP or of peers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from realtime_emulator.answers import ToolCall, Words
from realtime_emulator.conversation import Item
from realtime_emulator.line import Line
from realtime_emulator.mishaps import FAIL_RESPONSE
from realtime_emulator.output import FunctionCall, Message, Output
from realtime_emulator.sound import Loudspeaker, Reader, Spoken
from realtime_emulator.usage import ASSISTANT_MS_PER_TOKEN, Meter

THINKING_MS = (10, 30)
DELTA_MS = (1, 4)
"""Bounds between which the seeded chance picks."""
HEAD_PIECES = 16
"""So many pieces are there before the sound begins; a short answer's are all there, as recorded."""
FASTER_THAN_SPEECH = 4
"""Once the sound has begun, the rest is made this much faster than it is spoken, so that a long answer can be
interrupted while it is still being made, and most are interrupted afterwards."""
STARTED_SECONDS = 2.0
"""How long a response waits for its first frame to leave, so that its events keep the recorded order."""
TOKENS_PER_MINUTE = 40_000


@dataclass(frozen=True)
class Voice:
    """What makes responses audible, and what counts their tokens."""

    synthesizer: Reader
    speaker: Loudspeaker
    meter: Meter


class Response:
    """`options` were judged by `read_options`; `context` is what the model reads, `answers` what it will say."""

    def __init__(
        self,
        line: Line,
        voice: Voice,
        options: dict[str, Any],
        context: Sequence[Item],
        answers: Sequence[Words | ToolCall],
    ) -> None:
        session = line.session
        self._line, self._voice, self._context = line, voice, context
        self.id = line.ids.new("resp")
        self.aside = options.get("conversation") == "none"
        self._modalities = options.get("output_modalities", session.output_modalities)
        self._instructions = options.get("instructions", session.instructions)
        self._max_output_tokens = options.get("max_output_tokens", session.max_output_tokens)
        self._metadata = options.get("metadata")
        self._outputs = [self._output(index, answer) for index, answer in enumerate(answers)]
        self.started = asyncio.Event()
        self.finished = asyncio.Event()

    @property
    def speaks(self) -> bool:
        return bool(self._modalities == ["audio"])

    @property
    def spoken_item(self) -> Item | None:
        """The item whose sound is in the output buffer; None while there is none, or it is out of band."""
        return next((one.item for one in self._outputs if one.item.audio_ms and not self.aside), None)

    def create(self) -> None:
        self._line.emit("response.created", response=self._as_json("in_progress", None, [], None))

    def cancel(self, reason: str) -> None:
        """Over at once. `reason` is the protocol's: "client_cancelled" or "turn_detected"."""
        self._finish("cancelled", {"type": "cancelled", "reason": reason})

    def fail(self) -> None:
        """As when the service has trouble: no output, and an error that says to try again."""
        error = {
            "type": "server_error",
            "code": None,
            "message": "The server had an error. Please try again.",
        }
        self._finish("failed", {"type": "failed", "error": error})

    async def perform(self) -> None:
        """Everything after `response.created`, unless it is cancelled in between."""
        await self._pause(THINKING_MS)
        if not self.finished.is_set() and self._line.mishaps.take(FAIL_RESPONSE, self._line.call_id):
            self.fail()
        for output in self._outputs:
            if not self.finished.is_set():
                await self._bring_forth(output)
        self._finish("completed", None)

    async def _bring_forth(self, output: Output) -> None:
        speech = None
        if self.speaks and isinstance(output, Message):
            speech = await self._voice.synthesizer.say(output.item.words)
        if self.finished.is_set():
            return
        pieces = self._affordable(output.pieces, speech)
        output.open()
        for place, piece in enumerate(pieces):
            if place == HEAD_PIECES and speech:
                await self._let_out(output, speech)
            if self.finished.is_set():
                return
            output.add(piece)
            await self._keep_pace(place, len(output.pieces), speech)
        if speech and len(pieces) <= HEAD_PIECES:
            await self._let_out(output, speech)
        if self.finished.is_set():
            return
        if len(pieces) < len(output.pieces):
            self._finish("incomplete", {"type": "incomplete", "reason": "max_output_tokens"})
        else:
            output.close("completed")

    def _affordable(self, pieces: list[str], speech: Spoken | None) -> list[str]:
        """As many pieces as `max_output_tokens` allows, each with its share of the sound."""
        if self._max_output_tokens == "inf":
            return pieces
        sound = speech.ms / ASSISTANT_MS_PER_TOKEN if speech else 0
        return pieces[: max(1, int(self._max_output_tokens / (1 + sound / len(pieces))))]

    async def _let_out(self, output: Output, speech: Spoken) -> None:
        if self.finished.is_set():
            return
        speaker = self._voice.speaker
        next_in_line = speaker.flowing and not speaker.speaking
        output.item.audio_ms = speech.ms
        speaker.play(self.id, speech)
        if next_in_line:
            try:
                await asyncio.wait_for(self.started.wait(), STARTED_SECONDS)
            except TimeoutError:
                return  # the peer went away in between; the events need not wait for it

    async def _keep_pace(self, place: int, pieces: int, speech: Spoken | None) -> None:
        if speech and place >= HEAD_PIECES:
            await asyncio.sleep(speech.ms / 1000 / pieces / FASTER_THAN_SPEECH)
        else:
            await self._pause(DELTA_MS)

    async def _pause(self, bounds: tuple[int, int]) -> None:
        await asyncio.sleep(self._line.chance.uniform(*bounds) / 1000)

    def _finish(self, status: str, details: dict[str, Any] | None) -> None:
        """Only the first time counts."""
        if self.finished.is_set():
            return
        self.finished.set()
        self.started.set()
        for output in self._outputs:
            self._stop_short(output)
        outputs = [one for one in self._outputs if one.opened]
        shown = [one.item.as_json() for one in outputs]
        audio_ms = sum(one.item.audio_ms for one in outputs)
        text = " ".join(one.said for one in outputs)
        usage = self._voice.meter.bill(self._instructions, self._context, text, audio_ms)
        self._line.emit("response.done", response=self._as_json(status, details, shown, usage))
        if self._line.dialect.sends_rate_limits:
            self._tell_limits(usage["total_tokens"])

    def _stop_short(self, output: Output) -> None:
        """What was not made will not be heard; what was made plays on, unless the buffer is cleared."""
        if not output.opened or output.closed:
            return
        if output.item.audio_ms:
            output.item.audio_ms = output.item.audio_ms * output.made // len(output.pieces)
            self._voice.speaker.shorten(self.id, output.item.audio_ms)
        output.close("incomplete")

    def _output(self, index: int, answer: Words | ToolCall) -> Output:
        if isinstance(answer, Words):
            return Message(self._line, self.id, index, answer.text, spoken=self.speaks, aside=self.aside)
        return FunctionCall(self._line, self.id, index, answer.name, answer.arguments, aside=self.aside)

    def _tell_limits(self, tokens: int) -> None:
        limit = {
            "name": "tokens",
            "limit": TOKENS_PER_MINUTE,
            "remaining": TOKENS_PER_MINUTE - tokens,
            "reset_seconds": round(tokens * 60 / TOKENS_PER_MINUTE, 3),
        }
        self._line.emit("rate_limits.updated", rate_limits=[limit])

    def _as_json(
        self,
        status: str,
        details: dict[str, Any] | None,
        output: list[dict[str, Any]],
        usage: dict[str, Any] | None,
    ) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": None if self.aside else self._line.conversation.id,
            "output_modalities": self._modalities,
            "max_output_tokens": self._max_output_tokens,
            "audio": self._line.session.audio_output,
            "usage": usage,
            "metadata": self._metadata,
        }
