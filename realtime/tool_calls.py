"""The functions that a model called, and what it is told when one can't be run. (OpenAI's API schema and guide.)

Pure: it knows which calls count, how an answer and the request for the next response look, and under which ids they go
out, so that each goes out once, whoever sends it. It runs nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from realtime import client_events, events
from realtime.fields import Event, object_of, text_of
from realtime.tools import OUTPUT_KIND

CALLS_MOST: Final = 32
"""Of one response; nobody has seen a model call more than a few."""
ROUNDS_MOST: Final = 10
"""So many responses in a row may call tools; then the model must speak."""
RESULT_MAX_BYTES: Final = 32 * 1024
NAMED_LONGEST: Final = 64  # characters of a function's name in our own notes

REFUSALS: Final = {
    "unknown_tool": "There is no tool of this name.",
    "bad_arguments": "The tool was not run, because its arguments are wrong: ",
    "no_slot": "The tool was not run, because too many are running; try again later.",
    "too_many_rounds": "The tool was not run, because too many were called in a row; answer the user first.",
    "denied": "The tool was not run, because a human operator did not allow it.",
    "no_operator": "The tool was not run, because no human operator answered in time.",
    "timeout": "The tool did not answer in time; whether it had an effect is not known.",
    "failed": "The tool failed; whether it had an effect is not known.",
    "bad_result": "The tool answered something that can't be passed on.",
    "too_large": "The tool answered more than can be passed on.",
    "interrupted": "The tool was not run, because the service was interrupted; call it again if it is still needed.",
    "holder_changed": "The service was interrupted while the tool ran: the outcome is unknown; it is not run again.",
}
"""What the model is told, by the code that the record has."""


@dataclass(frozen=True)
class FunctionCall:
    """One call of a function. `arguments`: JSON, as the model wrote it; None where it was not kept."""

    id: str
    name: str
    arguments: str | None


@dataclass(frozen=True)
class Announced:
    """The calls that a response announced when it was done."""

    response_id: str
    calls: list[FunctionCall]

    @property
    def command_id(self) -> str:
        """Of the request for the response that follows."""
        return "toolnext_" + _digest(self.response_id)


def announced(event: Event) -> Announced | None:
    """What there is to do once this event is on disk: completed calls of a completed response, each once."""
    response = object_of(event, "response")
    if event.get("type") != events.RESPONSE_DONE or response.get("status") != "completed":
        return None
    output = response.get("output")
    items = output if isinstance(output, list) else []
    found = {call.id: call for item in items if isinstance(item, dict) and (call := _call(item)) is not None}
    response_id = text_of(response, "id")
    if not found or not _is_id(response_id):
        return None
    return Announced(str(response_id), list(found.values())[:CALLS_MOST])


def _call(item: Event) -> FunctionCall | None:
    call_id, name = text_of(item, "call_id"), text_of(item, "name")
    is_whole = item.get("type") == "function_call" and item.get("status") == "completed"
    if not is_whole or not _is_id(call_id) or name is None:
        return None
    return FunctionCall(str(call_id), name, text_of(item, "arguments"))


def _is_id(text: str | None) -> bool:
    return events.is_name(text) and len(str(text)) <= events.EVENT_ID_LIMIT


def command_id(function_call_id: str) -> str:
    """Of the answer to this call: there is one, and it goes out once."""
    return "tool_" + _digest(function_call_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def answer(function_call_id: str, output: str) -> Event:
    """The client event that gives the model an output."""
    item = {"type": OUTPUT_KIND, "call_id": function_call_id, "output": output}
    return {"type": client_events.ITEM_CREATE, "item": item}


def told_without_words(sent: Event) -> Event | None:
    """The same answer once more, where no word of it was kept: that the outcome is unknown. None for what is none."""
    item = object_of(sent, "item")
    if item.get("type") != OUTPUT_KIND or text_of(item, "call_id") is None:
        return None
    return sent | {"item": item | {"output": refusal("holder_changed")}}


def refusal(code: str, more: str = "") -> str:
    """The output that tells the model why there is none."""
    return json.dumps({"error": REFUSALS[code] + more}, ensure_ascii=False)


def next_response(rounds: int) -> Event:
    """The client event that lets the model go on. Past the last round it may not call again."""
    if rounds < ROUNDS_MOST:
        return {"type": client_events.RESPONSE_CREATE}
    return {"type": client_events.RESPONSE_CREATE, "response": {"tool_choice": "none"}}


def is_callers_turn(event: Event) -> bool:
    """Whether the caller said something: the model may call tools anew."""
    if event.get("type") == events.COMMITTED:
        return True
    added = event.get("type") in (events.ITEM_ADDED, events.ITEM_CREATED)
    return added and object_of(event, "item").get("role") == "user"


def as_output(result: object) -> str:
    """What a function gave back, as the model reads it: a text as it is, else JSON. Raises ValueError or TypeError for
    what can't be told, RecursionError for what is nested too deeply."""
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, allow_nan=False)
    text.encode()  # half a surrogate pair is no text
    return text


def is_too_large(output: str) -> bool:
    """Whether a model would be drowned in it."""
    return len(output.encode()) > RESULT_MAX_BYTES


def noted_name(name: str) -> str:
    """A function's name for tables and notes: the model may have made it up, at any length."""
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in name[:NAMED_LONGEST])
