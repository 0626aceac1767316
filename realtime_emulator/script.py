"""What users are said to have said, and what the model answers. Hears no sound: transcripts are scripted."""

import re
from typing import Any

from realtime_emulator.refusals import Mistake, invalid_type, unknown_parameter

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
UNSCRIPTED_TEXT = "Thank you for your message. This is the emulator, and your call works."


class Script:
    """One script for all calls, and one for each call that got its own. A call reads it from its first line."""

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._heard_by_call: dict[str, list[str]] = {}
        self._replies: dict[str, str] = {}
        self._replies_by_call: dict[str, dict[str, str]] = {}
        self._lines_read: dict[str, int] = {}

    def write(self, body: dict[str, Any]) -> None:
        """`{"heard": [text…], "replies": {said: answer}, "call_id": "rtc_…"?}`; what is omitted stays."""
        heard, replies, call_id = _read_script(body)
        if call_id is not None:
            self._write_for(call_id, heard, replies)
            return
        if heard is not None:
            self._heard, self._heard_by_call, self._lines_read = heard, {}, {}
        if replies is not None:
            self._replies, self._replies_by_call = replies, {}

    def next_heard(self, call_id: str, seconds: float) -> str:
        """What the caller is said to have said; past the script's end, honestly how long it was."""
        lines = self._heard_by_call.get(call_id, self._heard)
        read = self._lines_read.get(call_id, 0)
        self._lines_read[call_id] = read + 1
        return lines[read] if read < len(lines) else f"({seconds:.1f} seconds of speech)"

    def reply_to(self, call_id: str, words: str | None, *, spoken: bool) -> str:
        """What the model answers to the user's last words; None when the user has said nothing yet."""
        if words is None:
            return UNPROMPTED
        said = _plain(words)
        for replies in (self._replies_by_call.get(call_id, {}), self._replies, BUILT_IN):
            if said in replies:
                return replies[said]
        return UNSCRIPTED if spoken else UNSCRIPTED_TEXT

    def forget(self, call_id: str) -> None:
        for kept in (self._heard_by_call, self._replies_by_call, self._lines_read):
            kept.pop(call_id, None)

    def _write_for(self, call_id: str, heard: list[str] | None, replies: dict[str, str] | None) -> None:
        if heard is not None:
            self._heard_by_call[call_id] = heard
            self._lines_read[call_id] = 0
        if replies is not None:
            self._replies_by_call[call_id] = replies


def _read_script(body: dict[str, Any]) -> tuple[list[str] | None, dict[str, str] | None, str | None]:
    for name in body:
        if name not in ("heard", "replies", "call_id"):
            raise unknown_parameter(name)
    heard, replies, call_id = body.get("heard"), body.get("replies"), body.get("call_id")
    if heard is not None and not (isinstance(heard, list) and all(isinstance(one, str) for one in heard)):
        raise invalid_type("heard", "an array of strings")
    if replies is not None and not (
        isinstance(replies, dict) and all(isinstance(one, str) and one for one in replies.values())
    ):
        raise invalid_type("replies", "an object of strings")
    if call_id is not None and not isinstance(call_id, str):
        raise invalid_type("call_id", "a string")
    if body == {}:
        raise Mistake("missing_required_parameter", "Give 'heard', 'replies', or both.")
    return heard, {_plain(said): reply for said, reply in replies.items()} if replies else replies, call_id


def _plain(words: str) -> str:
    return " ".join(re.findall(r"\w+", words.casefold()))
