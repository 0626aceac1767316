"""The `response` of a `response.create`: judged, and nothing more."""

from typing import Any

from realtime_emulator.conversation import Conversation, Item, read_item
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.refusals import Mistake, invalid_type, unknown_parameter, unsupported_value
from realtime_emulator.session_rules import RULES

MOST_METADATA = 16
"""Pairs; with keys of at most 64 and values of at most 512 characters (API schema)."""
LONGEST_KEY, LONGEST_VALUE = 64, 512

_OPTIONS = {
    "output_modalities",
    "instructions",
    "metadata",
    "max_output_tokens",
    "audio",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "prompt",
    "conversation",
    "input",
}


def read_options(raw: object) -> dict[str, Any]:
    """Raises `Mistake`. What is null counts as not given; `input` is left for `read_input`."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise invalid_type("response", "an object")
    for name, value in raw.items():
        if name not in _OPTIONS:
            raise unknown_parameter(f"response.{name}")
        if name in RULES and value is not None:
            RULES[name](f"response.{name}", value)
    if raw.get("conversation") not in (None, "auto", "none"):
        raise unsupported_value("response.conversation", raw["conversation"], ("auto", "none"))
    _judge_metadata(raw.get("metadata"))
    return {name: value for name, value in raw.items() if value is not None}


def read_input(options: dict[str, Any], conversation: Conversation, ids: Identifiers) -> list[Item]:
    """What the response reads: the items of its `input`, or the whole conversation without one. Raises `Mistake`."""
    wanted = options.get("input")
    if wanted is None:
        return list(conversation)
    if not isinstance(wanted, list):
        raise invalid_type("response.input", "an array of items")
    return [_read_one(raw, conversation, ids) for raw in wanted]


def _read_one(raw: object, conversation: Conversation, ids: Identifiers) -> Item:
    if isinstance(raw, dict) and raw.get("type") == "item_reference":
        return conversation.find(raw.get("id"))
    return read_item(raw, ids)


def _judge_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(isinstance(one, str) for one in metadata.values()):
        raise invalid_type("response.metadata", "an object of strings")
    long = any(len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE for key, value in metadata.items())
    if long or len(metadata) > MOST_METADATA:
        message = (
            f"Invalid 'response.metadata': at most {MOST_METADATA} pairs, keys of at most {LONGEST_KEY} and"
        )
        raise Mistake(
            "invalid_value", f"{message} values of at most {LONGEST_VALUE} characters.", "response.metadata"
        )
