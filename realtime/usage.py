"""What was used: tokens of responses and of transcriptions, added up. It reads the upstream's `usage` objects, which
may be absent or odd, and knows no prices."""

from __future__ import annotations

import math
from typing import Any


class Usage:
    """Totals of one call. Anything that is not a number of tokens counts as none."""

    def __init__(self) -> None:
        self._tokens = dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), 0)
        self._input = dict.fromkeys(("text", "audio", "image", "cached"), 0)
        self._output = dict.fromkeys(("text", "audio"), 0)
        self._transcribed_tokens = 0
        self._transcribed_seconds = 0.0
        self._responses = 0

    def add(self, usage: object) -> None:
        """The `usage` of a `response.done` (may be null). `cached` is a part of the input, not beside it."""
        self._responses += 1
        for key in self._tokens:
            self._tokens[key] += _count(usage, key)
        for kind in self._input:
            self._input[kind] += _count(_part(usage, "input_token_details"), f"{kind}_tokens")
        for kind in self._output:
            self._output[kind] += _count(_part(usage, "output_token_details"), f"{kind}_tokens")

    def add_transcription(self, usage: object) -> None:
        """The `usage` of a completed transcription: tokens or seconds. It is billed apart from the responses."""
        self._transcribed_tokens += _count(usage, "total_tokens")
        self._transcribed_seconds += _seconds(usage)

    def totals(self) -> dict[str, Any]:
        """`{"input_tokens", "output_tokens", "total_tokens", "input": {…}, "output": {…}, "transcription": {"tokens",
        "seconds"}, "responses"}`."""
        return {
            **self._tokens,
            "input": dict(self._input),
            "output": dict(self._output),
            "transcription": {
                "tokens": self._transcribed_tokens,
                "seconds": round(self._transcribed_seconds, 3),
            },
            "responses": self._responses,
        }


def _part(usage: object, key: str) -> object:
    return usage.get(key) if isinstance(usage, dict) else None


def _count(usage: object, key: str) -> int:
    value = _part(usage, key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _seconds(usage: object) -> float:
    value = _part(usage, "seconds")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < math.inf and value < 1e9 else 0.0  # type: ignore[operator, arg-type]
