"""Functions as an operator would name them in a guardrail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def reasoned(text: str, context: Mapping[str, str]) -> Any:
    if text == "rude":
        return f"rude_{context['side']}"
    if text == "quoting":
        return "the caller said: my card is 4111"
    return 7 if text == "number" else False


def raising(text: str, context: Mapping[str, str]) -> bool:
    raise LookupError(text)
