"""The events of a realtime session: their names, and how to read one that may be anything. It knows the shapes of
OpenAI's API schema and nothing of order, calls or sockets."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from realtime import lenient

UNREADABLE: Final = "unreadable"
TYPE_LIMIT = 128  # characters
EVENT_ID_LIMIT = 512  # characters, by OpenAI's API schema

ERROR: Final = "error"
SESSION_CREATED: Final = "session.created"
SESSION_UPDATED: Final = "session.updated"
ITEM_ADDED: Final = "conversation.item.added"
ITEM_CREATED: Final = "conversation.item.created"  # the beta's name of `added`
ITEM_DONE: Final = "conversation.item.done"
ITEM_RETRIEVED: Final = "conversation.item.retrieved"
ITEM_DELETED: Final = "conversation.item.deleted"
ITEM_TRUNCATED: Final = "conversation.item.truncated"
TRANSCRIPTION_DELTA: Final = "conversation.item.input_audio_transcription.delta"
TRANSCRIPTION_COMPLETED: Final = "conversation.item.input_audio_transcription.completed"
TRANSCRIPTION_FAILED: Final = "conversation.item.input_audio_transcription.failed"
SPEECH_STARTED: Final = "input_audio_buffer.speech_started"
SPEECH_STOPPED: Final = "input_audio_buffer.speech_stopped"
TIMEOUT_TRIGGERED: Final = "input_audio_buffer.timeout_triggered"
INPUT_CLEARED: Final = "input_audio_buffer.cleared"
COMMITTED: Final = "input_audio_buffer.committed"
AUDIO_STARTED: Final = "output_audio_buffer.started"
AUDIO_STOPPED: Final = "output_audio_buffer.stopped"
AUDIO_CLEARED: Final = "output_audio_buffer.cleared"
RESPONSE_CREATED: Final = "response.created"
RESPONSE_DONE: Final = "response.done"
OUTPUT_ITEM_ADDED: Final = "response.output_item.added"
OUTPUT_ITEM_DONE: Final = "response.output_item.done"
CONTENT_PART_ADDED: Final = "response.content_part.added"
CONTENT_PART_DONE: Final = "response.content_part.done"
TEXT_DELTA: Final = "response.output_text.delta"
TEXT_DONE: Final = "response.output_text.done"
AUDIO_DELTA: Final = "response.output_audio.delta"  # on a WebSocket call only: WebRTC carries sound by RTP
ARGUMENTS_DELTA: Final = "response.function_call_arguments.delta"
ARGUMENTS_DONE: Final = "response.function_call_arguments.done"
MCP_ARGUMENTS_DELTA: Final = "response.mcp_call_arguments.delta"
MCP_ARGUMENTS_DONE: Final = "response.mcp_call_arguments.done"
AUDIO_TRANSCRIPT_DELTA: Final = "response.output_audio_transcript.delta"
AUDIO_TRANSCRIPT_DONE: Final = "response.output_audio_transcript.done"

# What `webrtcfilter=on` lets through to the browser, exactly (Microsoft Learn, March 2026).
WEBRTC_FILTER_ALLOWED: Final = frozenset(
    {
        SPEECH_STARTED,
        SPEECH_STOPPED,
        AUDIO_STARTED,
        AUDIO_STOPPED,
        TRANSCRIPTION_COMPLETED,
        ITEM_ADDED,
        ITEM_CREATED,
        TEXT_DELTA,
        TEXT_DONE,
        AUDIO_TRANSCRIPT_DELTA,
        AUDIO_TRANSCRIPT_DONE,
    }
)


ACTED_ON: Final = frozenset(
    {
        ERROR,
        SESSION_CREATED,
        SESSION_UPDATED,
        ITEM_ADDED,
        ITEM_CREATED,
        ITEM_DONE,
        ITEM_RETRIEVED,
        ITEM_DELETED,
        ITEM_TRUNCATED,
        TRANSCRIPTION_COMPLETED,
        AUDIO_TRANSCRIPT_DONE,
        TEXT_DONE,
        SPEECH_STARTED,
        SPEECH_STOPPED,
        TIMEOUT_TRIGGERED,
        COMMITTED,
        INPUT_CLEARED,
        AUDIO_STARTED,
        AUDIO_STOPPED,
        AUDIO_CLEARED,
        OUTPUT_ITEM_ADDED,
        RESPONSE_CREATED,
        RESPONSE_DONE,
    }
)
"""What may settle a command, call a tool, or break a rule. Deltas do none of these."""


class Header(msgspec.Struct, frozen=True):
    """What may be known of an event before it is kept: its type and its id."""

    type: str
    event_id: str | None


class _Loose(msgspec.Struct):
    type: Any = None
    event_id: Any = None


_decode_header = msgspec.json.Decoder(_Loose).decode
_decode = msgspec.json.Decoder().decode
_NOTHING = Header(UNREADABLE, None)


def header(raw: bytes) -> Header:
    """The event's type and id; `Header("unreadable", None)` for whatever is no JSON object with a type. Never raises.

    A type longer than 128 characters and an id longer than 512 are cut.
    """
    try:
        loose = _decode_header(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = lenient.load(raw) or {}
        loose = _Loose(event.get("type"), event.get("event_id"))
    if not is_name(loose.type):
        return _NOTHING
    return Header(
        loose.type[:TYPE_LIMIT], loose.event_id[:EVENT_ID_LIMIT] if is_name(loose.event_id) else None
    )


def is_name(value: object) -> bool:
    """Whether this can be an event's type or id."""
    # Neither a line end nor a NUL nor half a surrogate pair may reach a log line or a text column.
    return isinstance(value, str) and value != "" and value.isprintable()


def read(raw: bytes) -> dict[str, Any] | None:
    """The whole event, or None for whatever is no JSON object. Never raises.

    Half surrogate pairs and NaN are no JSON, but JavaScript and Python write them; the event is worth more.
    """
    try:
        event = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return lenient.load(raw)
    return event if isinstance(event, dict) else None
