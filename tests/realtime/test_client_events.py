"""What may be sent, how it is made ready, and which server event says what became of it."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from openai.types.realtime.realtime_client_event_param import RealtimeClientEventParam
from pydantic import ConfigDict, TypeAdapter, with_config

from realtime import client_events
from realtime.client_events import TAG, contains, fault, is_answerable, item_id, prepared, tag_of, verdict

MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
EVENTS: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"instructions": "Be brief."}},
    {"type": "conversation.item.create", "item": MESSAGE},
    {"type": "conversation.item.create", "item": MESSAGE, "previous_item_id": "root"},
    {"type": "conversation.item.retrieve", "item_id": "item_1"},
    {"type": "conversation.item.delete", "item_id": "item_1"},
    {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 12},
    {"type": "response.create"},
    {"type": "response.create", "response": {"conversation": "none", "metadata": {"mine": "1"}}},
    {"type": "response.cancel"},
    {"type": "response.cancel", "response_id": "resp_1"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_what_goes_out_is_what_the_official_package_means(event: dict[str, Any]) -> None:
    assert fault(event) is None
    known = {get_args(get_type_hints(one)["type"])[0]: one for one in get_args(RealtimeClientEventParam)}
    ready = prepared(event, "cmd_1")
    assert ready["event_id"] == "cmd_1"
    TypeAdapter(with_config(ConfigDict(extra="forbid"))(known[event["type"]])).validate_python(ready)


def test_every_event_that_may_be_sent_is_among_these() -> None:
    assert {event["type"] for event in EVENTS} == client_events.SENDABLE


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"type": "input_audio_buffer.append", "audio": ""}, "no type that may be sent"),
        ({"type": "transcription_session.update"}, "no type that may be sent"),
        ({"type": 7}, "no type that may be sent"),
        ({"type": "session.update"}, "lacks session"),
        ({"type": "session.update", "session": []}, "session that is no object"),
        ({"type": "session.update", "session": {"model": "other"}}, "change the session's model"),
        ({"type": "conversation.item.delete", "item_id": 7}, "item_id that is no text"),
        ({"type": "conversation.item.truncate", "item_id": "i", "content_index": True, "audio_end_ms": 1}, "whole"),
        ({"type": "response.cancel", "reason": "x"}, "member 'reason'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_without_the_upstream(event: dict[str, Any], why: str) -> None:
    assert why in str(fault(event))


def test_an_item_without_an_id_gets_one_that_the_command_gives_away() -> None:
    ready = prepared({"type": "conversation.item.create", "item": MESSAGE}, "cmd_1")
    assert ready["item"]["id"] == item_id("cmd_1") != item_id("cmd_2")
    assert len(item_id("x" * 128)) <= client_events.ITEM_ID_LONGEST
    own = prepared({"type": "conversation.item.create", "item": MESSAGE | {"id": "item_mine"}}, "cmd_1")
    assert own["item"]["id"] == "item_mine"


def test_a_response_carries_the_command_unless_its_metadata_is_full() -> None:
    assert tag_of(prepared({"type": "response.create"}, "cmd_1")["response"]) == "cmd_1"
    full = {f"k{n}": "v" for n in range(16)}
    assert (
        prepared({"type": "response.create", "response": {"metadata": full}}, "c")["response"]["metadata"]
        == full
    )


def heard(type: str, **more: Any) -> dict[str, Any]:
    return {"type": type, "event_id": "event_1", **more}


@pytest.mark.parametrize(
    ("sent", "answer", "other"),
    [
        (EVENTS[0], heard("session.updated", session={"instructions": "Be brief.", "voice": "marin"}),
         heard("session.updated", session={"instructions": "Be long."})),
        (EVENTS[1], heard("conversation.item.added", item={"id": item_id("cmd_1")}),
         heard("conversation.item.added", item={"id": "item_of_another"})),
        (EVENTS[3], heard("conversation.item.retrieved", item={"id": "item_1"}),
         heard("conversation.item.retrieved", item={"id": "item_2"})),
        (EVENTS[4], heard("conversation.item.deleted", item_id="item_1"),
         heard("conversation.item.deleted", item_id="item_2")),
        (EVENTS[5], heard("conversation.item.truncated", item_id="item_1"),
         heard("conversation.item.truncated", item_id="item_2")),
        (EVENTS[6], heard("response.created", response={"metadata": {TAG: "cmd_1"}}),
         heard("response.created", response={"metadata": None})),
        (EVENTS[8], heard("response.done", response={"id": "resp_9", "status": "cancelled"}),
         heard("response.done", response={"id": "resp_9", "status": "completed"})),
        (EVENTS[9], heard("response.done", response={"id": "resp_1", "status": "cancelled"}),
         heard("response.done", response={"id": "resp_2", "status": "cancelled"})),
        (EVENTS[10], heard("input_audio_buffer.committed"), heard("input_audio_buffer.cleared")),
        (EVENTS[11], heard("input_audio_buffer.cleared"), heard("output_audio_buffer.cleared")),
        (EVENTS[12], heard("output_audio_buffer.cleared"), heard("output_audio_buffer.stopped")),
    ],
)  # fmt: skip
def test_only_its_own_answer_confirms_and_only_its_own_error_refuses(
    sent: dict[str, Any], answer: dict[str, Any], other: dict[str, Any]
) -> None:
    ready = prepared(sent, "cmd_1")
    assert verdict(ready, answer) == "confirmed"
    assert verdict(ready, other) is None
    assert verdict(ready, heard("error", error={"event_id": "cmd_1", "code": "x"})) == "refused"
    assert verdict(ready, heard("error", error={"event_id": "cmd_2"})) is None
    assert verdict(ready, heard("error", error=None)) is None


def test_an_event_is_answerable_as_long_as_it_has_what_its_answer_names() -> None:
    assert all(is_answerable(prepared(event, "cmd_1")) for event in EVENTS)
    assert not is_answerable(
        {"type": "conversation.item.create", "event_id": "cmd_1", "item": {"role": "user"}}
    )
    assert not is_answerable({"type": "session.update", "event_id": "cmd_1"})
    assert not is_answerable({"event_id": "cmd_1"})


@pytest.mark.parametrize(
    ("whole", "part", "shows"),
    [
        ({"a": 1, "b": {"c": 2}}, {"b": {"c": 2}}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"b": None}, {"b": {"c": 2}}, False),
        ({}, {"a": None}, True),
        ({"a": ""}, {"a": None}, True),
        ({"a": 0}, {"a": None}, False),
        ({"tools": []}, {"tools": []}, True),
        ({"tools": [{"type": "function", "name": "f"}]}, {"tools": []}, False),
        ({"tools": [{"type": "function", "name": "f"}]}, {"tools": [{"name": "f"}]}, True),
    ],
)
def test_an_effective_session_shows_what_was_asked_of_it(whole: object, part: object, shows: bool) -> None:
    assert contains(whole, part) is shows
