"""The items of one call's conversation and their order. Knows what was said, not who is told."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from realtime_emulator.identifiers import Identifiers
from realtime_emulator.refusals import (
    Mistake,
    invalid_type,
    missing_parameter,
    unsupported_value,
)

CONTENT_TYPES = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text", "output_audio"),
}
ITEM_TYPES = ("message", "function_call", "function_call_output")
_REQUIRED = {
    "message": ("role", "content"),
    "function_call": ("name", "arguments"),
    "function_call_output": ("call_id", "output"),
}


@dataclass
class Item:
    """`body` is the protocol's shape; `words` is what the model knows was said, transcribed or not."""

    body: dict[str, Any]
    words: str = ""
    audio_ms: int = 0

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def role(self) -> str | None:
        return self.body.get("role")

    def as_json(self) -> dict[str, Any]:
        return copy.deepcopy(self.body)


class Conversation:
    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._items))

    @property
    def has_assistant_audio(self) -> bool:
        return any(item.role == "assistant" and item.audio_ms for item in self._items)

    def find(self, item_id: object) -> Item:
        for item in self._items:
            if item.id == item_id:
                return item
        raise Mistake("item_not_found", f"Item with item_id '{str(item_id)[:64]}' not found.", "item_id")

    def insert(self, item: Item, after: object = None) -> str | None:
        """Put `item` in behind the item `after` ("root": in front, None: at the end).

        Returns the id of the item before it. Raises `Mistake` when `after` is unknown or the id is taken.
        """
        if any(item.id == other.id for other in self._items):
            raise Mistake("item_create_duplicate_id", f"Item '{item.id}' already exists.", "item.id")
        place = self._place_after(after)
        self._items.insert(place, item)
        return self._items[place - 1].id if place else None

    def delete(self, item_id: object) -> None:
        self._items.remove(self.find(item_id))

    def truncate(self, item_id: object, content_index: object, audio_end_ms: object) -> None:
        """Forget what an assistant's audio item said (the transcript goes, as the API schema says)."""
        item = self.find(item_id)
        part = item.body.get("content", [])[:1]
        if item.role != "assistant" or not part or part[0].get("type") != "output_audio":
            message = "Only model output audio messages can be truncated."
            raise Mistake("item_truncate_invalid_item_id", message, "item_id")
        if content_index != 0:
            raise unsupported_value("content_index", content_index, ("0",))
        if not isinstance(audio_end_ms, int) or isinstance(audio_end_ms, bool) or audio_end_ms < 0:
            raise invalid_type("audio_end_ms", "an integer of at least 0")
        if audio_end_ms > item.audio_ms:
            message = f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise Mistake("invalid_value", message, "audio_end_ms")
        self.cut_short(item, audio_end_ms)

    def cut_short(self, item: Item, audio_end_ms: int) -> bool:
        """The rest of `item` was not heard. False when it does not stand in the conversation (any more)."""
        item.audio_ms, item.words = audio_end_ms, ""
        for part in item.body["content"]:
            part.pop("transcript", None)
        return any(item is one for one in self._items)

    def _place_after(self, after: object) -> int:
        if after is None:
            return len(self._items)
        if after == "root":
            return 0
        for place, item in enumerate(self._items):
            if item.id == after:
                return place + 1
        message = f"Previous item with id '{str(after)[:64]}' not found."
        raise Mistake("item_create_invalid_previous_item_id", message, "previous_item_id")


def read_item(raw: object, ids: Identifiers) -> Item:
    """An item that a client wants created, completed with what the server adds. Raises `Mistake`."""
    if not isinstance(raw, dict):
        raise missing_parameter("item") if raw is None else invalid_type("item", "an object")
    kind = raw.get("type")
    if kind not in ITEM_TYPES:
        raise unsupported_value("item.type", kind, ITEM_TYPES)
    for name in _REQUIRED[kind]:
        if raw.get(name) is None:
            raise missing_parameter(f"item.{name}")
    item_id = raw.get("id") or ids.new("item")
    if not isinstance(item_id, str):
        raise invalid_type("item.id", "a string")
    return _READERS[kind](raw, {"id": item_id, "type": kind, "status": "completed"})


def _read_message(raw: dict[str, Any], body: dict[str, Any]) -> Item:
    role, content = raw["role"], raw["content"]
    if not isinstance(role, str) or role not in CONTENT_TYPES:
        raise unsupported_value("item.role", role, tuple(CONTENT_TYPES))
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise invalid_type("item.content", "an array of objects")
    parts = [_read_part(f"item.content[{place}]", role, part) for place, part in enumerate(content)]
    words = " ".join(str(part.get("text") or part.get("transcript") or "") for part in parts).strip()
    return Item({**body, "role": role, "content": parts}, words)


def _read_part(param: str, role: str, part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind not in CONTENT_TYPES[role]:
        raise unsupported_value(f"{param}.type", kind, CONTENT_TYPES[role])
    for name in ("text", "transcript"):
        if not isinstance(part.get(name, ""), str | None):
            raise invalid_type(f"{param}.{name}", "a string")
    if str(kind).endswith("_text") and part.get("text") is None:
        raise missing_parameter(f"{param}.text")
    if str(kind).endswith("_audio"):
        return {"type": kind, "transcript": part.get("transcript")}
    return dict(part)


def _read_call(raw: dict[str, Any], body: dict[str, Any]) -> Item:
    for name in ("name", "arguments"):
        if not isinstance(raw[name], str):
            raise invalid_type(f"item.{name}", "a string")
    call_id = raw.get("call_id") or body["id"].replace("item_", "call_")
    return Item({**body, "name": raw["name"], "call_id": call_id, "arguments": raw["arguments"]})


def _read_output(raw: dict[str, Any], body: dict[str, Any]) -> Item:
    for name in ("call_id", "output"):
        if not isinstance(raw[name], str):
            raise invalid_type(f"item.{name}", "a string")
    del body["status"]  # recorded: an output has none
    return Item({**body, "call_id": raw["call_id"], "output": raw["output"]}, raw["output"])


_READERS = {"message": _read_message, "function_call": _read_call, "function_call_output": _read_output}
