"""Reads JSON that strangers wrote: never raises anything but `Mistake`, never goes deeper than is sane."""

import json
from typing import Any

from realtime_emulator.refusals import Mistake

DEEPEST = 60
"""Levels of nesting; the vendors' schemas need far fewer, and copying deeper ones would exhaust the stack."""

UNREADABLE = Mistake("invalid_json", "We could not parse the JSON that you sent. Send one JSON object.")


def read_object(raw: str | bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises `Mistake` for anything else."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise UNREADABLE from None
    if not isinstance(value, dict) or _deeper_than(value, DEEPEST) or not _can_be_sent_on(value):
        raise UNREADABLE
    return value


def _can_be_sent_on(value: Any) -> bool:
    """Half a surrogate pair cannot be written as UTF-8, and NaN and Infinity cannot be written as JSON."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [inner for outer in layer for inner in _inside(outer)]
        if not layer:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
