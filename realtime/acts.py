"""What an operator does with one word, told as client events.

Knows which events an act is made of, given what the call is doing. It asks nobody and sends nothing; who may act is not
known here.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from realtime import client_events
from realtime.client_events import ITEM_CREATE, OUTPUT_CLEAR, RESPONSE_CANCEL, RESPONSE_CREATE, SESSION_UPDATE
from realtime.fields import Event, object_of, text_of
from realtime.floor import Floor

Act = Literal["say", "whisper", "interrupt", "instructions", "mute", "unmute", "hang_up", "approve", "deny"]
ACTS: Final = frozenset(get_args(Act))
WORDLESS: Final = frozenset({"interrupt", "mute", "unmute", "hang_up"})
MAYBE_NOTHING: Final = frozenset({"interrupt", "mute", "unmute"})
"""As the call is, there may be nothing to do for them."""
SPOKEN: Final = frozenset({"say", "whisper", "instructions"})
"""They come with a `text`."""
DECISIONS: Final = frozenset({"approve", "deny"})
"""They come with the `function_call_id` of a tool that waits, and nothing of them is sent; the approval of a tool that
asks for an answer has it in `text`."""

TEXT_LONGEST: Final = 8_192  # characters
SAY: Final = "Say exactly the following to the caller, word for word, and nothing else:\n\n"


def fault(act: Event) -> str | None:
    """What is wrong with an act, as the end of a sentence."""
    wanted = {"type", "event_id"} | _members(act["type"])
    unknown = sorted(act.keys() - wanted)
    if unknown:
        return f"has members that {act['type']} does not know: {', '.join(unknown)}"
    if act["type"] in DECISIONS and not text_of(act, "function_call_id"):
        return "lacks a function_call_id"
    if act["type"] in SPOKEN or "text" in act:
        text = text_of(act, "text")
        if not text or not text.strip():
            return "lacks a text"
        if len(text) > TEXT_LONGEST:
            return f"has a text of more than {TEXT_LONGEST:,} characters"
    return None


def _members(kind: str) -> set[str]:
    if kind in DECISIONS:
        return {"function_call_id"} | ({"text"} if kind == "approve" else set())
    return {"text"} if kind in SPOKEN else set()


def holds_words(event: Event) -> bool:
    """Whether an act or a client event can hold a word that somebody says or is told."""
    if event["type"] in DECISIONS:
        return "text" in event
    return event["type"] not in WORDLESS | client_events.WORDLESS


def as_events(act: Event, floor: Floor, session: Event) -> list[Event]:
    """The client events of an act, or the client event itself; none where there is nothing to do. `session`: the
    profile's, which an `unmute` goes back to."""
    kind, text = act["type"], act.get("text")
    if kind == "say":
        return [{"type": RESPONSE_CREATE, "response": {"instructions": SAY + str(text)}}]
    if kind == "whisper":
        content = [{"type": "input_text", "text": text}]
        return [{"type": ITEM_CREATE, "item": {"type": "message", "role": "system", "content": content}}]
    if kind == "instructions":
        return [{"type": SESSION_UPDATE, "session": {"instructions": text}}]
    if kind in DECISIONS:
        return []
    if kind == "interrupt":
        return interruption(floor)
    if kind in ("mute", "unmute"):
        update = _answering(session, floor, answers=kind == "unmute")
        return ([update] if update else []) + (interruption(floor) if kind == "mute" else [])
    return [act]


def interruption(floor: Floor) -> list[Event]:
    """Silence now: first what is being made is cancelled, then what waits to be heard is dropped (OpenAI's API schema
    asks for this order)."""
    cancel = [{"type": RESPONSE_CANCEL}] if floor.active else []
    return cancel + ([{"type": OUTPUT_CLEAR}] if floor.active or floor.audible else [])


def _answering(session: Event, floor: Floor, *, answers: bool) -> Event | None:
    """Whether voice detection answers by itself. None where there is none: the profile has none, or the page has turned
    it off, for its caller pushes to talk."""
    given = object_of(object_of(session, "audio"), "input")
    now = floor.listening or given
    if "turn_detection" in now and now["turn_detection"] is None:
        return None
    kind = object_of(now, "turn_detection").get("type", "server_vad")
    detection: dict[str, Any] = {"type": kind} | object_of(given, "turn_detection")
    wanted = detection | {"create_response": answers and detection.get("create_response", True)}
    return {"type": SESSION_UPDATE, "session": {"audio": {"input": {"turn_detection": wanted}}}}
