"""What the events about the model's responses and their sound do to the state of a conversation.

Facts are from OpenAI's API schema and from recordings on Azure and OpenAI, July 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from realtime import events
from realtime.fields import Event, content_index, object_of, objects_of, text_of
from realtime.items import Item, Source
from realtime.state import State


def response_created(state: State, event: Event) -> None:
    found = state.response(event)
    if found is None or found[1].created_seq is not None:
        return
    response, content = found[1], object_of(event, "response")
    response.created_seq, response.created_at = state.seq, state.at
    response.is_beside = "conversation_id" in content and content["conversation_id"] is None
    state.touch(response)


def output_item_added(state: State, event: Event) -> None:
    item = state.describe(object_of(event, "item"), Source.ANNOUNCED)
    state.said(event, item.item_id if item else None)


def output_item_done(state: State, event: Event) -> None:
    item = state.describe(object_of(event, "item"), Source.ITEM)
    if item:
        state.said(event, item.item_id)
        item.finish(state.at)


def part_added(state: State, event: Event) -> None:
    _take_part(state, event, Source.ANNOUNCED)


def part_done(state: State, event: Event) -> None:
    _take_part(state, event, Source.SAID)


def _take_part(state: State, event: Event, source: Source) -> None:
    item = state.said(event, text_of(event, "item_id"))
    if item:
        item.take_part(content_index(event), object_of(event, "part"), source)


def sound_grew(state: State, event: Event) -> None:
    found = state.response(event)
    if found and found[1].first_delta_at is None:
        found[1].first_delta_at = state.at
        state.touch(found[1])


def words_grew(state: State, event: Event) -> None:
    sound_grew(state, event)
    item = state.said(event, text_of(event, "item_id"))
    if item:
        item.add_delta(content_index(event), text_of(event, "delta"))


def spoken_words_grew(state: State, event: Event) -> None:
    _mark_spoken(state, event)
    words_grew(state, event)


def words_done(state: State, event: Event) -> None:
    item = state.said(event, text_of(event, "item_id"))
    if item:
        words = text_of(event, "transcript") or text_of(event, "text")
        item.set_text(content_index(event), words, Source.SAID)


def spoken_words_done(state: State, event: Event) -> None:
    _mark_spoken(state, event)
    words_done(state, event)


def _mark_spoken(state: State, event: Event) -> None:
    item_id = text_of(event, "item_id")
    if item_id:
        state.item(item_id).modality = "audio"


def arguments_grew(state: State, event: Event) -> None:
    sound_grew(state, event)
    item = _called(state, event)
    if item and item.tool:
        item.tool.add_delta(text_of(event, "delta"))


def arguments_done(state: State, event: Event) -> None:
    item = _called(state, event)
    if item and item.tool:
        item.tool.describe(event)
        item.tool.start(state.at)
        state.join_call(item)


def _called(state: State, event: Event) -> Item | None:
    item = state.said(event, text_of(event, "item_id"))
    if item:
        item.become_tool()
    return item


def response_done(state: State, event: Event) -> None:
    found = state.response(event)
    if found is None:
        return
    response, content = found[1], object_of(event, "response")
    if not response.done:
        state.usage.add(content.get("usage"))
        state.errors += content.get("status") == "failed"
        response.finish(content, state.at)
    for output in objects_of(content, "output"):
        item = state.describe(output, Source.LAST_WORD)
        state.said(event, item.item_id if item else None)
    if response.status in ("failed", "incomplete"):
        state.stand_in(*found)
    state.touch(response)


def audio_started(state: State, event: Event) -> None:
    found = state.response(event)
    if found and found[1].audio_started_at is None:
        response = found[1]
        response.audio_started_at = state.at
        response.gap = state.gaps.close(response.created_seq, state.at)
        if response.audio_ended_at is None:
            state.audible = response
        state.touch(response)


def audio_stopped(state: State, event: Event) -> None:
    _end_sound(state, event, is_cleared=False)


def audio_cleared(state: State, event: Event) -> None:
    _end_sound(state, event, is_cleared=True)


def _end_sound(state: State, event: Event, is_cleared: bool) -> None:
    found = state.response(event)
    if found and found[1].end_sound(state.at, is_cleared):
        response = found[1]
        if state.audible is response:
            state.audible = None
        if is_cleared:
            state.cut(response)
        state.touch(response)


EARS: Final[dict[str, Callable[[State, Event], None]]] = {
    events.RESPONSE_CREATED: response_created,
    events.RESPONSE_DONE: response_done,
    events.OUTPUT_ITEM_ADDED: output_item_added,
    events.OUTPUT_ITEM_DONE: output_item_done,
    events.CONTENT_PART_ADDED: part_added,
    events.CONTENT_PART_DONE: part_done,
    events.TEXT_DELTA: words_grew,
    events.TEXT_DONE: words_done,
    events.AUDIO_DELTA: sound_grew,
    events.AUDIO_TRANSCRIPT_DELTA: spoken_words_grew,
    events.AUDIO_TRANSCRIPT_DONE: spoken_words_done,
    events.ARGUMENTS_DELTA: arguments_grew,
    events.ARGUMENTS_DONE: arguments_done,
    events.MCP_ARGUMENTS_DELTA: arguments_grew,
    events.MCP_ARGUMENTS_DONE: arguments_done,
    events.AUDIO_STARTED: audio_started,
    events.AUDIO_STOPPED: audio_stopped,
    events.AUDIO_CLEARED: audio_cleared,
}
