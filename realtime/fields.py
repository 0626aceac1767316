"""Reading fields of an event that may hold anything anywhere. What is absent or of another kind reads as nothing."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]
ERROR_LIMIT = 200  # characters
MILLISECONDS_MAX = 48 * 3_600_000  # no position in a call's sound lies beyond


def text_of(event: Event, key: str) -> str | None:
    value = event.get(key)
    return value if isinstance(value, str) else None


def object_of(event: Event, key: str) -> Event:
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def objects_of(event: Event, key: str) -> list[Event]:
    """The objects in a list; one that is no object keeps its place as an empty one."""
    value = event.get(key)
    return [part if isinstance(part, dict) else {} for part in value] if isinstance(value, list) else []


def content_index(event: Event) -> int:
    value = event.get("content_index")
    return value if isinstance(value, int) else 0


def milliseconds_of(event: Event, key: str) -> int | None:
    """A span or a position in a call's sound; None for whatever can't be one."""
    value = event.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MILLISECONDS_MAX else None


def error_of(error: Event) -> str | None:
    """What names an error best: its code, else its type, else its words."""
    name = text_of(error, "code") or text_of(error, "type") or text_of(error, "message")
    return name[:ERROR_LIMIT] if name else None
