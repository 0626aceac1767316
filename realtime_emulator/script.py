"""What users are said to have said, what the model answers, and which functions it calls. It hears no sound."""

import re
from dataclasses import dataclass
from typing import Any

from realtime_emulator.refusals import Mistake, invalid_type, missing_parameter, unknown_parameter

BUILT_IN = {
    "hello": "Hello! It is lovely to hear from you. How can I help?",
    "hi": "Hi there! How can I help?",
    "say hello": "Hello there!",
    "how are you": "Very well, thank you. I am only an emulator, but a cheerful one.",
    "what is the capital of france": "The capital of France is Paris.",
    "tell me a joke": "Why did the packet cross the network? To get to the other side.",
    "tell me a joke please": "Why did the packet cross the network? To get to the other side.",
    "what time is it": "I have no clock, only a conversation. It is a good time to talk.",
    "thank you": "You are very welcome.",
    "goodbye": "Goodbye! It was nice talking with you.",
}
UNPROMPTED = "Hello! This is the emulator. The call works, so please say something."
UNSCRIPTED = "Thank you, I can hear you. This is the emulator, and your call works."
STILL_THERE = "Are you still there? Just say something when you are ready."
UNSCRIPTED_TEXT = "Thank you for your message. This is the emulator, and your call works."


OUTPUT = "{output}"
"""In a scripted reply to a tool's output, this stands for the output."""


@dataclass
class Part:
    """What one script says; None where it says nothing. Phrases are kept without marks and capitals."""

    heard: list[str] | None = None
    replies: dict[str, str] | None = None
    tools: dict[str, list[dict[str, Any]]] | None = None
    not_deployed: list[str] | None = None

    def absorb(self, other: "Part") -> None:
        for name, value in vars(other).items():
            if value is not None:
                setattr(self, name, value)


class Script:
    """One script for all calls, and one for each call that got its own. A call reads it from its first line."""

    def __init__(self) -> None:
        self._for_all = Part()
        self._by_call: dict[str, Part] = {}
        self._lines_read: dict[str, int] = {}

    def write(self, body: dict[str, Any]) -> None:
        """`{"heard": [text…], "replies": {said: answer}, "tools": {said: call}, "not_deployed": [model…]}`.

        A call is `{"name", "arguments", "reply"?}` or an array of them. With `call_id` for that call alone. What
        is omitted stays; what is written for all calls replaces what single calls had. Raises `Mistake`.
        """
        part, call_id = _read_script(body)
        if call_id is not None:
            self._by_call.setdefault(call_id, Part()).absorb(part)
            if part.heard is not None:
                self._lines_read[call_id] = 0
            return
        self._for_all.absorb(part)
        if part.heard is not None:
            self._lines_read = {}
        for one in self._by_call.values():
            for name in (name for name, value in vars(part).items() if value is not None):
                setattr(one, name, None)

    def next_heard(self, call_id: str, seconds: float) -> str:
        """What the caller is said to have said; past the script's end, honestly how long it was."""
        own = self._part(call_id).heard
        lines = (self._for_all.heard if own is None else own) or []
        read = self._lines_read.get(call_id, 0)
        self._lines_read[call_id] = read + 1
        return lines[read] if read < len(lines) else f"({seconds:.1f} seconds of speech)"

    def reply_to(self, call_id: str, words: str | None, *, spoken: bool) -> str:
        """What the model answers to the user's last words; None when the user has said nothing yet."""
        if words is None:
            return UNPROMPTED
        said = _plain(words)
        for replies in (self._part(call_id).replies, self._for_all.replies, BUILT_IN):
            if replies and said in replies:
                return replies[said]
        if not words:
            return STILL_THERE
        return UNSCRIPTED if spoken else UNSCRIPTED_TEXT

    def calls_for(self, call_id: str, words: str) -> list[dict[str, Any]]:
        """The function calls, each `{"name", "arguments"}`, with which the model answers these words."""
        said = _plain(words)
        for tools in (self._part(call_id).tools, self._for_all.tools):
            if tools and said in tools:
                return tools[said]
        return []

    def reply_to_output(self, call_id: str, words: str | None, output: str) -> str:
        """What the model says once it has a tool's output; the output itself, unless a reply is scripted."""
        replies = [call["reply"] for call in self.calls_for(call_id, words or "") if call.get("reply")]
        return replies[0].replace(OUTPUT, output) if replies else output or UNSCRIPTED_TEXT

    def is_deployed(self, model: str) -> bool:
        return model not in (self._for_all.not_deployed or [])

    def forget(self, call_id: str) -> None:
        self._by_call.pop(call_id, None)
        self._lines_read.pop(call_id, None)

    def _part(self, call_id: str) -> Part:
        return self._by_call.get(call_id, Part())


def _read_script(body: dict[str, Any]) -> tuple[Part, str | None]:
    for name in body:
        if name not in ("heard", "replies", "tools", "not_deployed", "call_id"):
            raise unknown_parameter(name)
    if body == {}:
        raise Mistake("missing_required_parameter", "Give 'heard', 'replies', 'tools' or 'not_deployed'.")
    call_id, replies = body.get("call_id"), body.get("replies")
    if call_id is not None and not isinstance(call_id, str):
        raise invalid_type("call_id", "a string")
    if replies is not None and not (
        isinstance(replies, dict) and all(isinstance(one, str) and one for one in replies.values())
    ):
        raise invalid_type("replies", "an object of strings")
    kept = {_plain(said): reply for said, reply in replies.items()} if replies is not None else None
    return Part(
        _read_texts(body, "heard"), kept, _read_tools(body.get("tools")), _read_texts(body, "not_deployed")
    ), call_id


def _read_texts(body: dict[str, Any], name: str) -> list[str] | None:
    texts = body.get(name)
    if texts is not None and not (isinstance(texts, list) and all(isinstance(one, str) for one in texts)):
        raise invalid_type(name, "an array of strings")
    return texts


def _read_tools(tools: object) -> dict[str, list[dict[str, Any]]] | None:
    if tools is None:
        return None
    if not isinstance(tools, dict):
        raise invalid_type("tools", "an object")
    read = {said: calls if isinstance(calls, list) else [calls] for said, calls in tools.items()}
    for said, calls in read.items():
        for call in calls:
            _judge_call(f"tools.{said}", call)
    return {_plain(said): calls for said, calls in read.items()}


def _judge_call(param: str, call: object) -> None:
    if not isinstance(call, dict):
        raise invalid_type(param, "an object")
    for name in ("name", "arguments"):
        if name not in call:
            raise missing_parameter(f"{param}.{name}")
    for name in call:
        if name not in ("name", "arguments", "reply"):
            raise unknown_parameter(f"{param}.{name}")
    if not isinstance(call["name"], str) or not isinstance(call.get("reply", ""), str):
        raise invalid_type(param, "a name and a reply that are strings")


def _plain(words: str) -> str:
    return " ".join(re.findall(r"\w+", words.casefold()))
