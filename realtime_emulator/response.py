"""One response of the model, from `response.created` to `response.done`, in the recorded order.

The order is that of the recordings of July 2026 (Azure and OpenAI). It knows nothing of HTTP or of peers.
"""

import asyncio
from typing import Any

from realtime_emulator.conversation import Item
from realtime_emulator.line import Line
from realtime_emulator.refusals import Mistake, invalid_type, unknown_parameter, unsupported_value
from realtime_emulator.session_rules import RULES
from realtime_emulator.speaker import Speaker
from realtime_emulator.speech import Speech, Synthesizer
from realtime_emulator.usage import Meter, split_pieces

THINKING_MS = (10, 30)
DELTA_MS = (1, 4)
"""Bounds between which the seeded chance picks; the vendors too stream much faster than speech."""
STARTED_SECONDS = 2.0
"""How long a response waits for its first frame to leave, so that its events keep the recorded order."""
TOKENS_PER_MINUTE = 40_000

_OPTIONS = {
    "output_modalities",
    "instructions",
    "metadata",
    "max_output_tokens",
    "audio",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "prompt",
    "conversation",
}


class Response:
    """What a client wanted of it is judged in `read_options`; `text` is what the model will say."""

    def __init__(self, line: Line, options: dict[str, Any], text: str) -> None:
        session = line.session
        self._line, self._text = line, text
        self.id = line.ids.new("resp")
        self._item = Item({"id": line.ids.new("item"), "type": "message"}, text)
        self._modalities = options.get("output_modalities", session.output_modalities)
        self._instructions = options.get("instructions", session.instructions)
        self._max_output_tokens = options.get("max_output_tokens", session.max_output_tokens)
        self._metadata = options.get("metadata")
        self._cancelled_because: str | None = None
        self.started = asyncio.Event()
        self.finished = asyncio.Event()

    @property
    def speaks(self) -> bool:
        return bool(self._modalities == ["audio"])

    def create(self) -> None:
        self._line.emit("response.created", response=self._as_json("in_progress", [], None))

    def cancel(self, reason: str) -> None:
        """`reason` is the protocol's: "client_cancelled" or "turn_detected"."""
        self._cancelled_because = self._cancelled_because or reason

    async def perform(self, synthesizer: Synthesizer, speaker: Speaker, meter: Meter) -> None:
        """Everything after `response.created`."""
        try:
            await self._pause(THINKING_MS)
            speech = await synthesizer.say(self._text) if self.speaks else None
            heard = list(self._line.conversation)
            said = await self._say(speech, speaker)
            usage = meter.bill(self._instructions, heard, said, speech.ms if speech and said else 0)
            self._finish(said, usage)
        finally:
            self.finished.set()

    async def _say(self, speech: Speech | None, speaker: Speaker) -> str:
        """Stream the text, then let the sound out. Returns what was said before a cancellation."""
        if self._cancelled_because:
            return ""
        self._open()
        said = ""
        for piece in split_pieces(self._text):
            if self._cancelled_because:
                return said
            kind = "response.output_audio_transcript.delta" if self.speaks else "response.output_text.delta"
            padding = self._line.ids.obfuscation(piece)
            self._line.emit(kind, **self._place(), delta=piece, obfuscation=padding)
            said += piece
            await self._pause(DELTA_MS)
        if speech and not self._cancelled_because:
            self._item.audio_ms = speech.ms
            await self._let_out(speech, speaker)
        return said

    async def _let_out(self, speech: Speech, speaker: Speaker) -> None:
        next_in_line = speaker.flowing and not speaker.speaking
        speaker.play(self.id, speech)
        if next_in_line:
            try:
                await asyncio.wait_for(self.started.wait(), STARTED_SECONDS)
            except TimeoutError:
                return  # the peer went away in between; the events need not wait for it

    def _open(self) -> None:
        line = self._line
        self._item.body |= {"status": "in_progress", "role": "assistant", "content": []}
        line.emit(
            "response.output_item.added", response_id=self.id, output_index=0, item=self._item.as_json()
        )
        previous = line.conversation.insert(self._item)
        line.emit("conversation.item.added", previous_item_id=previous, item=self._item.as_json())
        line.emit("response.content_part.added", **self._place(), **self._part(""))

    def _finish(self, said: str, usage: dict[str, Any]) -> None:
        status = "cancelled" if self._cancelled_because else "completed"
        output = self._close(said, "completed" if status == "completed" else "incomplete")
        self._line.emit("response.done", response=self._as_json(status, output, usage))
        if self._line.dialect.sends_rate_limits:
            self._tell_limits(usage["total_tokens"])

    def _close(self, said: str, item_status: str) -> list[dict[str, Any]]:
        """The `.done` events, which come for a cancelled response too. Returns the response's output."""
        line, place = self._line, self._place()
        if not self._item.role:
            return []
        if self.speaks:
            line.emit("response.output_audio.done", **place)
            line.emit("response.output_audio_transcript.done", **place, transcript=said)
            content = {"type": "output_audio", "transcript": said}
        else:
            line.emit("response.output_text.done", **place, text=said)
            content = {"type": "output_text", "text": said}
        line.emit("response.content_part.done", **place, **self._part(said))
        self._item.words = said
        self._item.body |= {"status": item_status, "content": [content]}
        # Recorded on both vendors: the predecessor is null here, even when `added` had the real one.
        line.emit("conversation.item.done", previous_item_id=None, item=self._item.as_json())
        line.emit("response.output_item.done", response_id=self.id, output_index=0, item=self._item.as_json())
        return [self._item.as_json()]

    def _tell_limits(self, tokens: int) -> None:
        limit = {
            "name": "tokens",
            "limit": TOKENS_PER_MINUTE,
            "remaining": TOKENS_PER_MINUTE - tokens,
            "reset_seconds": round(tokens * 60 / TOKENS_PER_MINUTE, 3),
        }
        self._line.emit("rate_limits.updated", rate_limits=[limit])

    def _place(self) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": self._item.id, "output_index": 0, "content_index": 0}

    def _part(self, said: str) -> dict[str, Any]:
        part = {"type": "audio", "transcript": said} if self.speaks else {"type": "text", "text": said}
        return (
            {"part": part, "content": part} if self._line.dialect.repeats_part_as_content else {"part": part}
        )

    async def _pause(self, bounds: tuple[int, int]) -> None:
        await asyncio.sleep(self._line.chance.uniform(*bounds) / 1000)

    def _as_json(self, status: str, output: list[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        details = None
        if self._cancelled_because and status == "cancelled":
            details = {"type": "cancelled", "reason": self._cancelled_because}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": self._line.conversation.id,
            "output_modalities": self._modalities,
            "max_output_tokens": self._max_output_tokens,
            "audio": self._line.session.audio_output,
            "usage": usage,
            "metadata": self._metadata,
        }


class Responses:
    """At most one response at a time, as the protocol has it."""

    def __init__(self, line: Line, synthesizer: Synthesizer, speaker: Speaker) -> None:
        self._line, self._synthesizer, self._speaker = line, synthesizer, speaker
        self._meter = Meter()
        self._active: Response | None = None

    def create(self, options: dict[str, Any], *, spoken: bool = False) -> Response:
        """Begin one; `perform` carries it out. Raises `Mistake` while another one is active."""
        if self._active:
            message = (
                f"Conversation already has an active response in progress: {self._active.id}."
                " Wait until the response is finished before creating a new one."
            )
            raise Mistake("conversation_already_has_active_response", message)
        words = self._line.conversation.last_words_of_user()
        text = self._line.script.reply_to(self._line.call_id, words, spoken=spoken)
        self._active = Response(self._line, options, text)
        self._active.create()
        return self._active

    async def perform(self, response: Response) -> None:
        try:
            await response.perform(self._synthesizer, self._speaker, self._meter)
        finally:
            self._active = None

    async def wait_until_free(self) -> None:
        while self._active:
            await self._active.finished.wait()
            await asyncio.sleep(0)

    def note_started(self, response_id: str) -> None:
        if self._active and self._active.id == response_id:
            self._active.started.set()

    def cancel(self, response_id: object, reason: str) -> None:
        """Raises `Mistake` when there is nothing to cancel, which is often a harmless race."""
        if self._active is None or response_id not in (None, self._active.id):
            raise Mistake("response_cancel_not_active", "Cancellation failed: no active response found")
        self._active.cancel(reason)
        self._active.started.set()


def read_options(raw: object) -> dict[str, Any]:
    """The `response` of a `response.create`, judged. Raises `Mistake`."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise invalid_type("response", "an object")
    for name, value in raw.items():
        if name not in _OPTIONS:
            raise unknown_parameter(f"response.{name}")
        if name in RULES and value is not None:
            RULES[name](f"response.{name}", value)
    if raw.get("conversation", "auto") != "auto":
        raise unsupported_value("response.conversation", raw["conversation"], ("auto",))
    metadata = raw.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise invalid_type("response.metadata", "an object")
    return {name: value for name, value in raw.items() if value is not None}
