"""What was used: tokens of responses and of transcriptions, added up. It reads the upstream's `usage` objects, which
may be absent or odd, and knows no prices."""

from __future__ import annotations

import math
from typing import Any, Self

KINDS = ("text", "audio", "image")
TOKENS_MAX = 1_000_000_000  # of one response
MICROSECONDS = 1_000_000  # in a second


class Usage:
    """Totals of one call. Anything that is not a number of tokens counts as none.

    All sums are of whole numbers, so that they are the same in whatever order they are made.
    """

    def __init__(self) -> None:
        self._tokens = dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), 0)
        self._input = dict.fromkeys((*KINDS, "cached"), 0)
        self._cached = dict.fromkeys(KINDS, 0)
        self._output = dict.fromkeys(("text", "audio"), 0)
        self._transcribed = dict.fromkeys(
            ("tokens", "input_tokens", "input_text", "input_audio", "output_tokens"), 0
        )
        self._transcribed_us = 0
        self._responses = 0

    def packed(self) -> dict[str, Any]:
        """The same as JSON."""
        return dict(vars(self))

    @classmethod
    def unpacked(cls, packed: dict[str, Any]) -> Self:
        """What `packed` gave."""
        usage = cls()
        vars(usage).update(packed)
        return usage

    def add(self, usage: object) -> None:
        """The `usage` of a `response.done` (may be null). `cached` is a part of the input, not beside it."""
        self._responses += 1
        read, said = _part(usage, "input_token_details"), _part(usage, "output_token_details")
        for key in self._tokens:
            self._tokens[key] += _count(usage, key)
        for kind in self._input:
            self._input[kind] += _count(read, f"{kind}_tokens")
        for kind, count in _cached(read).items():
            self._cached[kind] += count
        for kind in self._output:
            self._output[kind] += _count(said, f"{kind}_tokens")

    def add_transcription(self, usage: object) -> None:
        """The `usage` of a completed transcription: tokens or seconds. It is billed apart from the responses."""
        read = _part(usage, "input_token_details")
        counts = {
            "tokens": _count(usage, "total_tokens"),
            "input_tokens": _count(usage, "input_tokens"),
            "input_text": _count(read, "text_tokens"),
            "input_audio": _count(read, "audio_tokens"),
            "output_tokens": _count(usage, "output_tokens"),
        }
        for key, count in counts.items():
            self._transcribed[key] += count
        self._transcribed_us += round(_seconds(usage) * MICROSECONDS)

    def totals(self) -> dict[str, Any]:
        """`{"input_tokens", "output_tokens", "total_tokens", "input": {"text", "audio", "image", "cached"}, "cached":
        {"text", "audio", "image"}, "output": {"text", "audio"}, "transcription": {"tokens", "input_tokens",
        "input_text", "input_audio", "output_tokens", "seconds"}, "responses"}`. What is cached is a part of the input.
        """
        return {
            **self._tokens,
            "input": dict(self._input),
            "cached": dict(self._cached),
            "output": dict(self._output),
            "transcription": {
                **self._transcribed,
                "seconds": round(self._transcribed_us / MICROSECONDS, 3),
            },
            "responses": self._responses,
        }


def audio_tokens_said(usage: object) -> int:
    """The assistant's audio tokens of one response; 0 where its usage does not tell."""
    return _count(_part(usage, "output_token_details"), "audio_tokens")


def _cached(read: object) -> dict[str, int]:
    """Cached tokens by kind, never more than were read. Where the kinds are not told, text is taken first: it is
    what is repeated most, and of all kinds its discount is the least."""
    left, cached = _count(read, "cached_tokens"), dict.fromkeys(KINDS, 0)
    for told in (_part(read, "cached_tokens_details"), read):
        for kind in KINDS:
            more = min(_count(read, f"{kind}_tokens") - cached[kind], _count(told, f"{kind}_tokens"), left)
            cached[kind] += more
            left -= more
    return cached


def _part(usage: object, key: str) -> object:
    return usage.get(key) if isinstance(usage, dict) else None


def _count(usage: object, key: str) -> int:
    value = _part(usage, key)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= TOKENS_MAX else 0  # type: ignore[operator, return-value]


def _seconds(usage: object) -> float:
    value = _part(usage, "seconds")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < math.inf and value < 1e9 else 0.0  # type: ignore[operator, arg-type]
