"""Writes valid conversations as an upstream would send them over a sideband, event by event with their times, and
keeps beside them what a fold must find. The order of events is the recorded one (OpenAI and Azure, July 2026)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from realtime.turns import Conversation

USAGE_IN = {"text_tokens": 14, "audio_tokens": 26, "image_tokens": 0, "cached_tokens": 8}
LATENCY_MS = 20  # from the upstream to the observer


@dataclass(frozen=True)
class Sent:
    """One event and when the observer received it."""

    at: int
    raw: bytes


@dataclass
class Found:
    """What a fold must find."""

    words: list[tuple[str, str]] = field(default_factory=list)
    total_tokens: int = 0
    transcribed_seconds: float = 0.0
    interruptions: int = 0
    tool_calls: int = 0
    errors: int = 0
    responses: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("completed", "cancelled", "failed", "incomplete"), 0)
    )


class Pen:
    """`now`: the upstream's time in milliseconds; the input buffer's clock began at `BEGUN`."""

    BEGUN = 1_000_000

    def __init__(self) -> None:
        self.now = self.BEGUN
        self.sent: list[Sent] = []
        self.found = Found()
        self._last: str | None = None
        self._owed: list[tuple[str, str]] = []
        self._count = 0
        self._sounding: set[str] = set()

    def write(self, type: str, **fields: Any) -> None:
        event = {"type": type, "event_id": self.name("event"), **fields}
        self.sent.append(Sent(self.now + LATENCY_MS, json.dumps(event).encode()))

    def name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    def wait(self, ms: int) -> None:
        self.now += ms

    def session(self, silence_ms: int | None = 200, model: str = "gpt-realtime") -> None:
        detection: dict[str, Any] = {"type": "semantic_vad"} if silence_ms is None else {"type": "server_vad"}
        if silence_ms is not None:
            detection |= {"silence_duration_ms": silence_ms}
        hearing = {"turn_detection": detection, "transcription": {"model": "gpt-4o-transcribe"}}
        self.write("session.updated", session={"model": model, "audio": {"input": hearing}})

    # The caller

    def begin_speech(self) -> str:
        item = self.name("item")
        self.write(
            "input_audio_buffer.speech_started", item_id=item, audio_start_ms=self.now - self.BEGUN - 300
        )
        return item

    def end_speech(
        self, item: str, words: str, ms: int = 900, silence_ms: int = 200, owe: bool = False
    ) -> None:
        """The caller speaks for `ms` and is silent for `silence_ms`. `owe`: the transcription comes later."""
        self.wait(ms + silence_ms)
        self.write("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=self.now - self.BEGUN)
        self.commit(item, words, owe)

    def commit(self, item: str, words: str, owe: bool = False) -> None:
        self.write("input_audio_buffer.committed", item_id=item, previous_item_id=self._last)
        self._add(item, "user", [{"type": "input_audio", "transcript": None}])
        self.found.words.append(("user", words))
        self._owed.append((item, words))
        if not owe:
            self.pay()

    def pay(self) -> None:
        """The transcriptions that are owed, the latest first: their order is not guaranteed."""
        kind = "conversation.item.input_audio_transcription"
        for item, words in reversed(self._owed):
            self.write(f"{kind}.delta", item_id=item, content_index=0, delta=words[:3])
            usage = {"type": "duration", "seconds": 1.1}
            self.write(f"{kind}.completed", item_id=item, content_index=0, transcript=words, usage=usage)
            self.found.transcribed_seconds += 1.1
        self._owed.clear()

    def type(self, words: str) -> None:
        self._add(self.name("item"), "user", [{"type": "input_text", "text": words}])
        self.found.words.append(("user", words))

    def _add(self, item: str, role: str, content: list[dict[str, Any]]) -> None:
        body = {"id": item, "type": "message", "role": role, "status": "completed", "content": content}
        self.write("conversation.item.added", item=body, previous_item_id=self._last)
        self.write("conversation.item.done", item=body, previous_item_id=self._last)
        self._last = item

    # The model

    def begin_response(self, conversation: str | None = "conv_1") -> str:
        response = self.name("resp")
        body = {"id": response, "status": "in_progress", "conversation_id": conversation, "usage": None}
        self.write("response.created", response=body)
        return response

    def say(self, response: str, words: str, audio: bool = True, generating_ms: int = 100) -> dict[str, Any]:
        """Begins a message and streams its words over `generating_ms`; the sound begins with the first of them."""
        item = {"id": self.name("item"), "type": "message", "role": "assistant", "status": "in_progress"}
        self._begin_item(response, item | {"content": []})
        place = {"response_id": response, "item_id": item["id"], "output_index": 0, "content_index": 0}
        part = {"type": "audio", "transcript": ""} if audio else {"type": "text", "text": ""}
        self.write("response.content_part.added", **place, part=part)
        kind = "output_audio_transcript" if audio else "output_text"
        pieces = [f" {word}" if n else word for n, word in enumerate(words.split(" "))]
        for n, piece in enumerate(pieces):
            self.wait(generating_ms // len(pieces))
            self.write(f"response.{kind}.delta", **place, delta=piece)
            if audio and n == 0 and response not in self._sounding:
                self._sounding.add(response)
                self.write("output_audio_buffer.started", response_id=response)
        content = {"type": f"output_{'audio' if audio else 'text'}", "transcript" if audio else "text": words}
        self.found.words.append(("assistant", words))
        return item | {"content": [content]}

    def end_item(self, response: str, item: dict[str, Any], status: str = "completed") -> dict[str, Any]:
        item = item | {"status": status}
        place = {"response_id": response, "item_id": item["id"], "output_index": 0, "content_index": 0}
        for content in item.get("content", ()):
            words = content.get("transcript") or content.get("text")
            is_audio = content["type"] == "output_audio"
            kind, key = ("output_audio_transcript", "transcript") if is_audio else ("output_text", "text")
            self.write(f"response.{kind}.done", **place, **{key: words})
        self.write("conversation.item.done", item=item, previous_item_id=None)
        self.write("response.output_item.done", response_id=response, item=item)
        return item

    def _begin_item(self, response: str, item: dict[str, Any]) -> None:
        self.write("response.output_item.added", response_id=response, item=item)
        self.write("conversation.item.added", item=item, previous_item_id=self._last)
        self._last = item["id"]

    def end_response(
        self,
        response: str,
        *items: dict[str, Any],
        status: str = "completed",
        audio_tokens: int | None = 80,
        **details: Any,
    ) -> None:
        """`audio_tokens`: of the usage, 50 ms of sound each; None: without usage."""
        usage: dict[str, Any] | None = None
        if audio_tokens is not None:
            said = {"text_tokens": 20, "audio_tokens": audio_tokens}
            total = 60 + audio_tokens
            usage = {"total_tokens": total, "input_tokens": 40, "output_tokens": 20 + audio_tokens}
            usage |= {"input_token_details": USAGE_IN, "output_token_details": said}
            self.found.total_tokens += total
        body: dict[str, Any] = {"id": response, "status": status, "output": list(items), "usage": usage}
        body["status_details"] = {"type": status, **details} if details else None
        self.write("response.done", response=body)
        self.found.responses[status] += 1
        self.found.errors += status == "failed"

    def stop(self, response: str, sounding_ms: int = 1_000) -> None:
        """The whole of it was played."""
        self.wait(sounding_ms)
        self.write("output_audio_buffer.stopped", response_id=response)

    def clear(self, response: str) -> None:
        self.write("output_audio_buffer.cleared", response_id=response)

    def truncate(self, item: dict[str, Any], audio_end_ms: int) -> None:
        self.write(
            "conversation.item.truncated", item_id=item["id"], content_index=0, audio_end_ms=audio_end_ms
        )

    # Whole turns

    def answer(self, words: str, audio: bool = True) -> None:
        response = self.begin_response()
        self.wait(150)
        item = self.end_item(response, self.say(response, words, audio))
        self.end_response(response, item)
        if audio:
            self.stop(response)

    def ask(self, words: str, owe: bool = False) -> None:
        self.end_speech(self.begin_speech(), words, owe=owe)

    def answer_interrupted(self, words: str, by: str, done_before: bool, truncated: bool) -> None:
        """The caller speaks after 600 ms of sound. `done_before`: all was generated by then."""
        response = self.begin_response()
        item = self.say(response, words)
        if done_before:
            item = self.end_item(response, item)
            self.end_response(response, item)
        self.wait(600)
        user = self.begin_speech()
        if not done_before:
            item = self.end_item(response, item, "incomplete")
            self.end_response(response, item, status="cancelled", reason="turn_detected")
        self.clear(response)
        if truncated:
            self.truncate(item, 600)
        self.found.interruptions += 1
        self.end_speech(user, by)

    def say_twice_and_be_interrupted(self, first: str, second: str) -> None:
        """One response with two messages; the caller speaks somewhere in them, before they are whole."""
        response = self.begin_response()
        items = [self.say(response, first)]
        self.wait(400)
        items.append(self.say(response, second))
        self.begin_speech()
        self.clear(response)
        items = [self.end_item(response, item, "incomplete") for item in items]
        self.end_response(response, *items, status="cancelled", reason="turn_detected")
        self.found.interruptions += 1

    def call_tool(self, response: str, arguments: str = '{"city": "London"}') -> tuple[dict[str, Any], str]:
        call_id = self.name("call")
        item: dict[str, Any] = {
            "id": self.name("item"),
            "type": "function_call",
            "status": "in_progress",
            "name": "get_weather",
        }
        item |= {"call_id": call_id, "arguments": ""}
        self._begin_item(response, item)
        place = {"response_id": response, "item_id": item["id"], "output_index": 0, "call_id": call_id}
        for piece in (arguments[:5], arguments[5:]):
            self.write("response.function_call_arguments.delta", **place, delta=piece)
        done = "response.function_call_arguments.done"
        self.write(done, **place, name="get_weather", arguments=arguments)
        self.found.words.append(("tool", ""))
        self.found.tool_calls += 1
        return self.end_item(response, item | {"arguments": arguments}), call_id

    def give_output(self, call_id: str, output: str) -> None:
        item = {"id": self.name("item"), "type": "function_call_output", "call_id": call_id, "output": output}
        self.write("conversation.item.added", item=item, previous_item_id=self._last)
        self.write("conversation.item.done", item=item, previous_item_id=self._last)
        self._last = item["id"]

    def tool_round(self, words: str, output_first: bool = False) -> None:
        response = self.begin_response()
        item, call_id = self.call_tool(response)
        self.wait(350)
        if output_first:
            self.give_output(call_id, "foggy")
        self.end_response(response, item, audio_tokens=0)
        if not output_first:
            self.give_output(call_id, "foggy")
        self.answer(words)

    def fail(self, status: str, **details: Any) -> None:
        """A response that ends without any item."""
        response = self.begin_response()
        self.end_response(response, status=status, audio_tokens=None, **details)
        if status in ("failed", "incomplete"):
            self.found.words.append(("assistant", ""))

    def speak_beside(self, words: str) -> None:
        """A response out of band: its item is no part of the conversation."""
        response = self.begin_response(conversation=None)
        item = {"id": self.name("item"), "type": "message", "role": "assistant", "status": "in_progress"}
        self.write("response.output_item.added", response_id=response, item=item | {"content": []})
        place = {"response_id": response, "item_id": item["id"], "output_index": 0, "content_index": 0}
        self.write("response.output_text.done", **place, text=words)
        item |= {"status": "completed", "content": [{"type": "output_text", "text": words}]}  # type: ignore[dict-item]
        self.write("response.output_item.done", response_id=response, item=item)
        self.end_response(response, item)
        self.found.words.append(("assistant", words))


def fold(sent: list[Sent], start: int = 1, into: Conversation | None = None) -> Conversation:
    conversation = into or Conversation()
    for seq, line in enumerate(sent, start):
        conversation.hear(seq, line.at, "upstream", line.raw)
    return conversation
