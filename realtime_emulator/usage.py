"""Token arithmetic: what a response is billed, by the vendors' published rules. Pure.

User audio is one token per 100 ms, the assistant's one per 50 ms (OpenAI's cost guide); text is about one
token per word or mark. Each response is billed the whole conversation again, less what is cached.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from realtime_emulator.conversation import Item

USER_MS_PER_TOKEN = 100
ASSISTANT_MS_PER_TOKEN = 50
_PIECE = re.compile(r"\s*(?:\w+(?:['’]\w+)*|[^\w\s])")


def split_pieces(text: str) -> list[str]:
    """The pieces in which a text is streamed, a word or a mark each with the space before it (recorded)."""
    pieces = _PIECE.findall(text)
    rest = text[len("".join(pieces)) :]
    return [*pieces[:-1], pieces[-1] + rest] if pieces else [text]


def count_text(text: str) -> int:
    return len(_PIECE.findall(text))


@dataclass(frozen=True)
class Input:
    text: int = 0
    audio: int = 0

    def at_most(self, other: "Input") -> "Input":
        return Input(min(self.text, other.text), min(self.audio, other.audio))


class Meter:
    """Remembers what the last response read, because that much of the next one's input is cached."""

    def __init__(self) -> None:
        self._read_before = Input()
        self._instructions_before = ""

    def bill(self, instructions: str, heard: Iterable[Item], text: str, audio_ms: int) -> dict[str, Any]:
        """The `usage` of one response; `heard` is the conversation before it."""
        read = _read_input(instructions, heard)
        cached = self._read_before.at_most(read) if instructions == self._instructions_before else Input()
        self._read_before, self._instructions_before = read, instructions
        return _usage(read, cached, count_text(text), audio_ms // ASSISTANT_MS_PER_TOKEN)


def _read_input(instructions: str, heard: Iterable[Item]) -> Input:
    text, audio = count_text(instructions), 0
    for item in heard:
        if item.role == "user" and item.audio_ms:
            audio += item.audio_ms // USER_MS_PER_TOKEN
        else:
            text += count_text(item.words)
            audio += item.audio_ms // ASSISTANT_MS_PER_TOKEN
    return Input(text, audio)


def _usage(read: Input, cached: Input, text_out: int, audio_out: int) -> dict[str, Any]:
    tokens_in, tokens_out = read.text + read.audio, text_out + audio_out
    return {
        "total_tokens": tokens_in + tokens_out,
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "input_token_details": {
            "text_tokens": read.text,
            "audio_tokens": read.audio,
            "image_tokens": 0,
            "cached_tokens": cached.text + cached.audio,
            "cached_tokens_details": {
                "text_tokens": cached.text,
                "audio_tokens": cached.audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


def bill_transcription(model: str, text: str, audio_ms: int) -> dict[str, Any]:
    """The `usage` of one transcription: seconds for the whisper family, tokens for the others (API schema)."""
    if "whisper" in model:
        return {"type": "duration", "seconds": round(audio_ms / 1000, 3)}
    read, written = audio_ms // USER_MS_PER_TOKEN, count_text(text)
    return {
        "type": "tokens",
        "total_tokens": read + written,
        "input_tokens": read,
        "input_token_details": {"text_tokens": 0, "audio_tokens": read},
        "output_tokens": written,
    }
