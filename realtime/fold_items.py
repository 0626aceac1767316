"""What the events about items, and about the session, do to the state of a conversation.

Facts are from OpenAI's API schema and from recordings on Azure and OpenAI, July 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from realtime import events
from realtime.fields import Event, milliseconds_of, object_of, text_of
from realtime.items import Source
from realtime.state import State


def session_seen(state: State, event: Event) -> None:
    session = object_of(event, "session")
    hearing = object_of(object_of(session, "audio"), "input")
    state.model = text_of(session, "model") or state.model
    if "transcription" in hearing:
        state.transcribes = isinstance(hearing["transcription"], dict)
    if "turn_detection" in hearing:
        state.gaps.silence_ms = (
            milliseconds_of(object_of(hearing, "turn_detection"), "silence_duration_ms") or 0
        )


def item_added(state: State, event: Event) -> None:
    item = state.describe(object_of(event, "item"), Source.ANNOUNCED)
    if item:
        state.place(item, text_of(event, "previous_item_id"))
        state.await_words(item)


def item_done(state: State, event: Event) -> None:
    # Its previous_item_id is null even where `added` had the real one (recorded): not a place to learn it.
    item = state.describe(object_of(event, "item"), Source.ITEM)
    if item:
        state.place(item)
        state.await_words(item)
        item.finish(state.at)


def item_deleted(state: State, event: Event) -> None:
    item_id = text_of(event, "item_id")
    if item_id:
        state.delete(item_id)


def item_truncated(state: State, event: Event) -> None:
    """What was not heard is cut from the conversation; the words that were generated stay in the turn."""
    item_id, audio_end_ms = text_of(event, "item_id"), milliseconds_of(event, "audio_end_ms")
    if item_id and audio_end_ms is not None:
        item = state.item(item_id)
        item.suppose("assistant")
        item.modality = "audio"
        item.cut(audio_end_ms)


def error_seen(state: State, event: Event) -> None:
    state.errors += 1


EARS: Final[dict[str, Callable[[State, Event], None]]] = {
    events.ERROR: error_seen,
    events.SESSION_CREATED: session_seen,
    events.SESSION_UPDATED: session_seen,
    events.ITEM_ADDED: item_added,
    events.ITEM_CREATED: item_added,
    events.ITEM_DONE: item_done,
    events.ITEM_RETRIEVED: item_done,
    events.ITEM_DELETED: item_deleted,
    events.ITEM_TRUNCATED: item_truncated,
}
