"""What the events about the caller's sound and its transcription do to the state of a conversation.

Facts are from OpenAI's API schema and from recordings on Azure and OpenAI, July 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from realtime import events
from realtime.fields import Event, content_index, error_of, milliseconds_of, object_of, text_of
from realtime.items import Item, Source
from realtime.state import State


def _spoken(state: State, event: Event) -> Item | None:
    """The item of an event that only a user's sound causes."""
    item_id = text_of(event, "item_id")
    if not item_id:
        return None
    item = state.item(item_id)
    item.suppose("user")
    item.modality = "audio"
    return item


def speech_started(state: State, event: Event) -> None:
    state.gaps.forget()
    state.gaps.buffer.observe(state.at, milliseconds_of(event, "audio_start_ms"))
    if state.audible is not None:
        state.audible.is_spoken_over = True
        state.touch(state.audible)
    item = _spoken(state, event)
    if item:
        item.started_at = state.at


def speech_stopped(state: State, event: Event) -> None:
    state.gaps.start(state.seq, state.at, milliseconds_of(event, "audio_end_ms"))
    item = _spoken(state, event)
    if item:
        item.ended_at = state.at


def committed(state: State, event: Event) -> None:
    item = _spoken(state, event)
    if item:
        item.ended_at = item.ended_at or state.at
        state.place(item, text_of(event, "previous_item_id"))
        state.await_words(item)


def transcription_grew(state: State, event: Event) -> None:
    item = _spoken(state, event)
    if item:
        state.place(item)
        state.await_words(item)
        item.add_delta(content_index(event), text_of(event, "delta"))


def transcription_completed(state: State, event: Event) -> None:
    item = _spoken(state, event)
    if item is None:
        return
    state.place(item)
    item.set_text(content_index(event), text_of(event, "transcript"), Source.TRANSCRIBED)
    item.transcription, item.error = "completed", None
    if item.count_once(content_index(event)):
        state.usage.add_transcription(event.get("usage"))


def transcription_failed(state: State, event: Event) -> None:
    item = _spoken(state, event)
    if item is None:
        return
    state.place(item)
    state.errors += 1
    if item.transcription != "completed":
        item.transcription, item.error = "failed", error_of(object_of(event, "error"))


EARS: Final[dict[str, Callable[[State, Event], None]]] = {
    events.TRANSCRIPTION_DELTA: transcription_grew,
    events.TRANSCRIPTION_COMPLETED: transcription_completed,
    events.TRANSCRIPTION_FAILED: transcription_failed,
    events.SPEECH_STARTED: speech_started,
    events.SPEECH_STOPPED: speech_stopped,
    events.COMMITTED: committed,
}
