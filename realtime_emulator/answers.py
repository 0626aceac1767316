"""What the model answers: words, or calls of the session's functions. Decides by the script, and emits nothing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from realtime_emulator.conversation import Item
from realtime_emulator.script import Script


@dataclass(frozen=True)
class Words:
    text: str


@dataclass(frozen=True)
class ToolCall:
    """`arguments` is the JSON text, as the protocol carries it."""

    name: str
    arguments: str


def decide(
    script: Script, call_id: str, context: Iterable[Item], tools: set[str], *, spoken: bool
) -> list[Words | ToolCall]:
    """One answer, or several calls. `context` is what the model reads, oldest first; `tools` what it may call.

    It calls functions when the user's words are the newest thing it reads, and speaks of their outputs when those are.
    """
    since: list[Item] = []
    words = None
    for item in reversed(list(context)):
        if item.role == "user":
            words = item.words
            break
        since.insert(0, item)
    if since and since[-1].body["type"] == "function_call_output":
        outputs = [_read_aloud(one.words) for one in since if one.body["type"] == "function_call_output"]
        return [Words(script.reply_to_output(call_id, words, " ".join(outputs)))]
    calls = script.calls_for(call_id, words) if words is not None and not since else []
    wanted = [ToolCall(call["name"], _written(call["arguments"])) for call in calls if call["name"] in tools]
    return list(wanted) or [Words(script.reply_to(call_id, words, spoken=spoken))]


def _written(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _read_aloud(output: str) -> str:
    """A tool's output as a person would say it: an object's values by their names, anything else as it is."""
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        return output
    if not isinstance(value, dict) or not value:
        return output
    return ", ".join(f"{name}: {one}" for name, one in value.items())
