"""The client events that may be sent on a call that is going on, and what the upstream says to each.

Knows the shapes of OpenAI's API schema, as far as a mistake can be told without the upstream, and which server event
answers which client event. It knows nothing of who asks, of order, or of sockets.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final, Literal

from realtime import events
from realtime.fields import Event, object_of, text_of

SESSION_UPDATE: Final = "session.update"
ITEM_CREATE: Final = "conversation.item.create"
ITEM_RETRIEVE: Final = "conversation.item.retrieve"
RESPONSE_CREATE: Final = "response.create"
RESPONSE_CANCEL: Final = "response.cancel"
OUTPUT_CLEAR: Final = "output_audio_buffer.clear"

TAG: Final = "switchboard_command"
"""The key of a response's `metadata` that names the command which asked for it. Upstreams give metadata back."""

COMMAND_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
ITEM_ID_LONGEST: Final = 32  # characters, by OpenAI's error for longer ones
METADATA_MOST: Final = 16

ACTIVE_ALREADY: Final = "conversation_already_has_active_response"
NOTHING_TO_CANCEL: Final = "response_cancel_not_active"
NO_SUCH_ITEM: Final = "item_not_found"

# What must be there, what may be there. Sound is not sent on a WebRTC call (`input_audio_buffer.append`).
_MEMBERS: Final[dict[str, tuple[dict[str, type], dict[str, type]]]] = {
    SESSION_UPDATE: ({"session": dict}, {}),
    ITEM_CREATE: ({"item": dict}, {"previous_item_id": str}),
    ITEM_RETRIEVE: ({"item_id": str}, {}),
    "conversation.item.delete": ({"item_id": str}, {}),
    "conversation.item.truncate": ({"item_id": str, "content_index": int, "audio_end_ms": int}, {}),
    RESPONSE_CREATE: ({}, {"response": dict}),
    RESPONSE_CANCEL: ({}, {"response_id": str}),
    "input_audio_buffer.commit": ({}, {}),
    "input_audio_buffer.clear": ({}, {}),
    OUTPUT_CLEAR: ({}, {}),
}
SENDABLE: Final = frozenset(_MEMBERS)
WORDLESS: Final = SENDABLE - {SESSION_UPDATE, ITEM_CREATE, RESPONSE_CREATE}
"""They hold ids and numbers, and no word that anybody says or is told."""

Verdict = Literal["confirmed", "refused"]


def fault(event: Event) -> str | None:
    """What is wrong with a client event, as the end of a sentence; None where only the upstream could tell."""
    kind = text_of(event, "type")
    if kind not in _MEMBERS:
        return f"has no type that may be sent on a call; these may: {', '.join(sorted(SENDABLE))}"
    needed, allowed = _MEMBERS[kind]
    for name in event.keys() - {"type", "event_id"}:
        wanted = needed.get(name) or allowed.get(name)
        if wanted is None:
            return f"has a member {name!r} that {kind} does not know"
        if not isinstance(event[name], wanted) or isinstance(event[name], bool):
            return f"has a {name} that is no {_KINDS[wanted]}"
    missing = sorted(needed.keys() - event.keys())
    if missing:
        return f"lacks {' and '.join(missing)}"
    if kind == SESSION_UPDATE and "model" in event["session"]:
        return "tries to change the session's model, which stays what it was"
    return None


_KINDS: Final = {dict: "object", str: "text", int: "whole number"}


def prepared(event: Event, event_id: str) -> Event:
    """The event as it is sent: with its id, by which an error names it, and with what makes its answer known for its
    own: an item's id, a response's tag."""
    ready = {"type": event["type"], "event_id": event_id} | {
        key: value for key, value in event.items() if key not in ("type", "event_id")
    }
    if ready["type"] == ITEM_CREATE and not ready["item"].get("id"):
        ready["item"] = {"id": item_id(event_id)} | ready["item"]
    elif ready["type"] == SESSION_UPDATE:
        ready["session"] = {"type": "realtime"} | ready["session"]
    elif ready["type"] == RESPONSE_CREATE:
        ready["response"] = _tagged(ready.get("response", {}), event_id)
    return ready


def item_id(event_id: str) -> str:
    """The id of the item that this event creates where it names none: whoever knows the event can ask for it."""
    return "item_" + hashlib.sha256(event_id.encode()).hexdigest()[: ITEM_ID_LONGEST - len("item_")]


def _tagged(response: Event, event_id: str) -> Event:
    metadata = object_of(response, "metadata")
    if len(metadata) >= METADATA_MOST:
        return response
    return response | {"metadata": metadata | {TAG: event_id}}


def tag_of(response: Event) -> str | None:
    """The command that asked for this response, where one of ours did."""
    return text_of(object_of(response, "metadata"), TAG)


def is_beside(response: Event) -> bool:
    """Whether a response is out of band: it does not belong to the conversation, and others may run meanwhile."""
    return response.get("conversation") == "none"


# -- answers -------------------------------------------------------------------------------------------------------


def verdict(sent: Event, heard: Event) -> Verdict | None:
    """Whether a server event says what became of a client event that was sent before; None where it doesn't."""
    kind = text_of(heard, "type")
    if kind == events.ERROR:
        return "refused" if text_of(object_of(heard, "error"), "event_id") == sent["event_id"] else None
    answers = _ANSWERS.get(sent["type"])
    return "confirmed" if answers is not None and answers(sent, heard, str(kind)) else None


def _session(sent: Event, heard: Event, kind: str) -> bool:
    wanted = {key: value for key, value in sent["session"].items() if key != "type"}
    return kind == events.SESSION_UPDATED and contains(object_of(heard, "session"), wanted)


def _item(sent: Event, heard: Event, kind: str) -> bool:
    is_there = kind in (events.ITEM_ADDED, events.ITEM_CREATED, events.ITEM_DONE, events.ITEM_RETRIEVED)
    return bool(is_there and object_of(heard, "item").get("id") == sent["item"]["id"])


def _response(sent: Event, heard: Event, kind: str) -> bool:
    if kind not in (events.RESPONSE_CREATED, events.RESPONSE_DONE):
        return False
    return bool(tag_of(object_of(heard, "response")) == sent["event_id"])


def _cancelled(sent: Event, heard: Event, kind: str) -> bool:
    response = object_of(heard, "response")
    is_it = sent.get("response_id") in (None, response.get("id"))
    return bool(kind == events.RESPONSE_DONE and is_it and response.get("status") == "cancelled")


def _of_item(answer: str) -> Callable[[Event, Event, str], bool]:
    def answers(sent: Event, heard: Event, kind: str) -> bool:
        item_id = heard.get("item_id", object_of(heard, "item").get("id"))
        return bool(kind == answer and item_id == sent["item_id"])

    return answers


def _plain(answer: str) -> Callable[[Event, Event, str], bool]:
    return lambda sent, heard, kind: kind == answer


_ANSWERS: Final[dict[str, Callable[[Event, Event, str], bool]]] = {
    SESSION_UPDATE: _session,
    ITEM_CREATE: _item,
    ITEM_RETRIEVE: _of_item(events.ITEM_RETRIEVED),
    "conversation.item.delete": _of_item(events.ITEM_DELETED),
    "conversation.item.truncate": _of_item(events.ITEM_TRUNCATED),
    RESPONSE_CREATE: _response,
    RESPONSE_CANCEL: _cancelled,
    "input_audio_buffer.commit": _plain(events.COMMITTED),
    "input_audio_buffer.clear": _plain(events.INPUT_CLEARED),
    OUTPUT_CLEAR: _plain(events.AUDIO_CLEARED),
}
_ALIKE: Final = frozenset(
    {RESPONSE_CANCEL, OUTPUT_CLEAR, "input_audio_buffer.commit", "input_audio_buffer.clear"}
)


def is_answerable(event: Event) -> bool:
    """Whether an answer to this event could be told for its own: it has all that `verdict` looks at."""
    named = event.get("type") != ITEM_CREATE or text_of(object_of(event, "item"), "id") is not None
    return fault(event) is None and named


def is_answered_alike(event: Event) -> bool:
    """Whether the answer would be the same if somebody else's event of this type had been answered."""
    return event["type"] in _ALIKE


def contains(whole: object, part: object) -> bool:
    """Whether an effective session shows what an update asked for: the update's members, each as it was asked. Null
    asks for nothing to be there; a list is taken whole, its objects may have got more members."""
    if isinstance(part, dict):
        if not isinstance(whole, dict):
            return False
        return all(contains(whole.get(key), value) for key, value in part.items())
    if isinstance(part, list):
        return (
            isinstance(whole, list)
            and len(whole) == len(part)
            and all(contains(one, other) for one, other in zip(whole, part, strict=True))
        )
    if part is None or part == "":
        return whole is None or whole == ""
    return whole == part
