"""Which members of an event are its structure, and which are content: what is said, and what anybody was told to say.

The structure is a list of what is allowed, so that an unknown member counts as content. Two forms leave the content
out: `without_content` drops it, `redacted` puts every text of it through a function. Pure; it knows no profile and no
store. Facts are from OpenAI's API schema and from recordings on Azure and OpenAI, July 2026.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, Literal

from realtime.events import UNREADABLE
from realtime.fields import Event

NUMBER_MAX = 2**53
NAME: Final = "name"  # an id, a type, a status, a tool's or a model's name: one word of a machine
COUNT: Final = "count"  # a number, yes or no
GIVEN: Final = "given"  # that it is there: null stands for it

_IS_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_IS_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

_ERROR = {"type": NAME, "code": NAME, "event_id": NAME}
_ITEM = {
    **dict.fromkeys(("id", "object", "type", "status", "role", "call_id", "name", "server_label"), NAME),
    "content": [{"type": NAME}],
    "output": GIVEN,  # a tool has answered
    "error": _ERROR,
}
_TOKENS = dict.fromkeys(("text_tokens", "audio_tokens", "image_tokens", "cached_tokens"), COUNT)
_USAGE = {
    "type": NAME,
    **dict.fromkeys(("total_tokens", "input_tokens", "output_tokens", "seconds"), COUNT),
    "input_token_details": {**_TOKENS, "cached_tokens_details": _TOKENS},
    "output_token_details": _TOKENS,
}
_FORMAT = {"type": NAME, "rate": COUNT}
_OUTPUT = {"format": _FORMAT, "voice": NAME, "speed": COUNT}
_RESPONSE = {
    **dict.fromkeys(("id", "object", "status", "conversation_id"), NAME),
    "status_details": {"type": NAME, "reason": NAME, "error": _ERROR},
    "output": [_ITEM],
    "output_modalities": [NAME],
    "max_output_tokens": NAME,
    "audio": {"output": _OUTPUT},
    "usage": _USAGE,
}
_TURN_DETECTION = {
    **dict.fromkeys(("type", "eagerness"), NAME),
    **dict.fromkeys(("threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"), COUNT),
    **dict.fromkeys(("create_response", "interrupt_response"), COUNT),
}
_INPUT = {
    "format": _FORMAT,
    "transcription": {"model": NAME, "language": NAME},
    "noise_reduction": {"type": NAME},
    "turn_detection": _TURN_DETECTION,
}
_SESSION = {
    **dict.fromkeys(
        ("id", "object", "type", "model", "tool_choice", "truncation", "max_output_tokens"), NAME
    ),
    "expires_at": COUNT,
    "output_modalities": [NAME],
    "audio": {"input": _INPUT, "output": _OUTPUT},
    "tools": [{"type": NAME, "name": NAME}],
}
_UPSTREAM = {
    **dict.fromkeys(
        ("type", "event_id", "item_id", "previous_item_id", "response_id", "call_id", "name"), NAME
    ),
    **dict.fromkeys(("content_index", "output_index", "audio_start_ms", "audio_end_ms"), COUNT),
    "item": _ITEM,
    "part": {"type": NAME},
    "response": _RESPONSE,
    "session": _SESSION,
    "conversation": {"id": NAME, "object": NAME},
    "error": _ERROR,
    "usage": _USAGE,
    "rate_limits": [{"name": NAME, **dict.fromkeys(("limit", "remaining", "reset_seconds"), COUNT)}],
}
# What the talk page reports (static/reports.js, line_stats.js); what other pages add is theirs, and content.
_BROWSER = {
    **dict.fromkeys(("type", "kind", "state", "ice", "connection", "reason", "codec"), NAME),
    **dict.fromkeys(("at_ms", "since_start_ms", "since_answer_ms", "was_open"), COUNT),
    **dict.fromkeys(("rtt_ms", "jitter_ms", "packets_received", "packets_lost", "bytes_received"), COUNT),
    **dict.fromkeys(("samples_received", "concealed_samples", "packets_sent", "bytes_sent"), COUNT),
    **dict.fromkeys(("far_packets_lost", "far_jitter_ms", "codec_rate", "sample_rate", "channels"), COUNT),
    **dict.fromkeys(("echo_cancellation", "noise_suppression", "auto_gain"), COUNT),
}

LineSource = Literal["upstream", "operator", "observer", "tool", "browser"]
"""Whose a line of a call's log is."""
UPSTREAM: Final = "upstream"
BROWSER: Final = "browser"
# What we send ourselves: beside the words of a machine, by which item it can be known.
_OURS = {"item": dict.fromkeys(("id", "type", "role", "call_id"), NAME)}
_PIECES = frozenset({"delta", "logprobs", "audio", "image_url", "obfuscation"})


def is_piece(type: str) -> bool:
    """Whether the event holds a piece of something that comes whole later: a word can be cut between two of them."""
    return type.endswith((".delta", ".segment"))


def without_content(event: Event, source: str = UPSTREAM) -> Event:
    """The event with its structure alone. `source`: whose event it is, as in the call's log."""
    if source == UPSTREAM:
        return _members(event, _UPSTREAM)
    if source == BROWSER:
        return _members(event, _BROWSER)
    kept = {key: value for key, value in event.items() if _is_word(value) or _is_count(value)}
    return kept | _members(event, _OURS)


def unreadable(size: int) -> Event:
    """What is kept of `size` bytes that are no event."""
    return {"type": UNREADABLE, "bytes": size}


def redacted(event: Event, source: str, replace: Callable[[str], str]) -> Event:
    """The event in the same shape, every text of its content as `replace` gives it back.

    Sound, images and pieces of text are left empty: no pattern can read them. Raises whatever `replace` raises, and
    RecursionError for an event that is nested too deeply.
    """
    shapes: dict[str, Any] = {UPSTREAM: _UPSTREAM, BROWSER: _BROWSER}
    shape = shapes.get(source) or dict.fromkeys(event, NAME) | _OURS
    return {key: _redacted(key, value, shape.get(key), replace) for key, value in event.items()}


def encoded(event: Event) -> bytes:
    """JSON for the log, plain ASCII: half a surrogate pair stays what it was."""
    return json.dumps(event, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


# -- structure -----------------------------------------------------------------------------------------------------


def _members(event: Event, shape: dict[str, Any]) -> Event:
    kept = ((key, _kept(event[key], shape[key])) for key in event if key in shape)
    return {key: value for key, value in kept if value is not _CONTENT}


_CONTENT = object()


def _kept(value: object, shape: Any) -> Any:
    """What stays of a value where the structure expects `shape`; _CONTENT for nothing."""
    if value is None or shape is GIVEN:
        return None
    if shape is NAME or shape is COUNT:
        return value if _is_count(value) or (shape is NAME and _is_name(value)) else _CONTENT
    if isinstance(value, dict) and isinstance(shape, dict):
        return _members(value, shape)
    if isinstance(value, list) and isinstance(shape, list):
        kept = (_kept(one, shape[0]) for one in value)
        return [{} if one is _CONTENT else one for one in kept]
    return _CONTENT


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _IS_NAME.fullmatch(value) is not None


def _is_word(value: object) -> bool:
    """A name in our own notes: shorter, so that it holds no event's bytes in other letters."""
    return isinstance(value, str) and _IS_WORD.fullmatch(value) is not None


def _is_count(value: object) -> bool:
    # A number can be long enough to hold a text.
    return value is None or (isinstance(value, (int, float)) and -NUMBER_MAX <= value <= NUMBER_MAX)


# -- content -------------------------------------------------------------------------------------------------------


def _redacted(key: str, value: Any, shape: Any, replace: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        members: dict[str, Any] = shape if isinstance(shape, dict) else {}
        return {name: _redacted(name, one, members.get(name), replace) for name, one in value.items()}
    if key in _PIECES and isinstance(value, (str, list)):
        return type(value)()
    if isinstance(value, list):
        inner = shape[0] if isinstance(shape, list) else None
        return [_redacted("", one, inner, replace) for one in value]
    if isinstance(value, str):
        return value if shape is NAME and _is_name(value) else replace(_spelled_out(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _spelled_out(text: str) -> str:
    """JSON inside a text (arguments, outputs) without its escapes: "M\\u00fcller" must look like the name it is."""
    if "\\u" not in text:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
