"""Every event that can leave the emulator is one of the official `openai` package's, and each one does leave it."""

import asyncio
from typing import Any, get_args

import pydantic
import pytest
from openai.types.realtime.realtime_server_event import RealtimeServerEvent

from realtime_emulator import EVENT_TYPES
from realtime_emulator.events import FILTERED_TYPES, make_event

_SESSION = "in every session object, recorded July 2026 (azure_sideband_text_turn.json)"
_DELTA = "on every delta of both vendors, recorded July 2026 (the same file)"
_CONTENT = "beside `part` on Azure, recorded July 2026 (the same file)"
UNKNOWN_TO_THE_SDK = {
    "RealtimeSessionCreateRequest.id": _SESSION,
    "RealtimeSessionCreateRequest.object": _SESSION,
    "RealtimeSessionCreateRequest.expires_at": _SESSION,
    "ResponseTextDeltaEvent.obfuscation": _DELTA,
    "ResponseAudioTranscriptDeltaEvent.obfuscation": _DELTA,
    "ConversationItemInputAudioTranscriptionDeltaEvent.obfuscation": _DELTA,
    "ResponseFunctionCallArgumentsDeltaEvent.obfuscation": "the same (azure_tool_call_round.json)",
    "ResponseContentPartAddedEvent.content": _CONTENT,
    "ResponseContentPartDoneEvent.content": _CONTENT,
}
"""Fields that the services send and the package does not declare; each with where it was seen."""


def official_classes() -> dict[str, Any]:
    (union, *_) = get_args(RealtimeServerEvent)
    named = {}
    for one in get_args(union):
        field = one.model_fields["type"].annotation
        named[get_args(field)[0]] = one
    return named


def foreign_fields(value: Any) -> set[str]:
    """The names of all fields, however deep, that the package's classes do not declare."""
    if isinstance(value, pydantic.BaseModel):
        inner = [getattr(value, name) for name in type(value).model_fields]
        here = {f"{type(value).__name__}.{name}" for name in value.model_extra or {}}
        return here.union(*map(foreign_fields, inner))
    if isinstance(value, list):
        return set().union(*map(foreign_fields, value))
    return set()


HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
WEATHER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


async def _run_all(emulator: Any, caller: Any, speech: bytes, dialect: str) -> list[dict[str, Any]]:
    """One call on which everything happens that can happen, but a long silence."""
    session = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}, "tools": [TOOL]}
    async with caller(emulator, dialect=dialect, says=speech, session=session) as call:
        await call.wait_for("output_audio_buffer.started")
        await call.wait_for("response.done")
        said = call.named("conversation.item.done")[-1]["item"]["id"]
        await call.tell(
            {"type": "conversation.item.retrieve", "item_id": said},
            {"type": "conversation.item.truncate", "item_id": said, "content_index": 0, "audio_end_ms": 100},
            {"type": "output_audio_buffer.clear"},
            {"type": "conversation.item.delete", "item_id": said},
            {"type": "input_audio_buffer.clear"},
            {"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}},
            {"type": "conversation.item.create", "item": HELLO},
            {"type": "response.create", "response": {"metadata": {"topic": "test"}}},
            {
                "type": "response.create",
                "response": {"conversation": "none", "metadata": {}, "input": [HELLO]},
            },
            {"type": "no such event", "event_id": "mine"},
        )
        await call.wait_for("response.done", 3)
        await _call_a_tool(emulator, call)
        await call.tell({"type": "response.create", "response": {"output_modalities": ["audio"]}})
        await call.wait_for("response.created", 6)
        await call.tell({"type": "response.cancel"})
        await call.wait_for("response.done", 6)
        await emulator.control(
            "POST", "/emulator/mishaps", {"name": "fail the response", "call_id": call.call_id}, 200
        )
        await call.tell({"type": "response.create"})
        await call.wait_for("response.done", 7)
        limited = {"output_modalities": ["audio"], "max_output_tokens": 60}
        await call.tell({"type": "response.create", "response": limited})
        await call.wait_for("output_audio_buffer.stopped")
        failing = {"name": "transcription fails", "call_id": call.call_id}
        await emulator.control("POST", "/emulator/mishaps", failing, 200)
        await call.tell({"type": "input_audio_buffer.commit"})
        await call.wait_for("conversation.item.input_audio_transcription.failed")
        statuses = [event["response"]["status"] for event in call.named("response.done")]
        assert statuses[5:] == ["cancelled", "failed", "incomplete"]
        return [*call.events, *call.channel_events]


async def _call_a_tool(emulator: Any, call: Any) -> None:
    tools = {"Weather?": {"name": "get_weather", "arguments": {"city": "London"}}}
    await emulator.control("POST", "/emulator/script", {"call_id": call.call_id, "tools": tools}, 204)
    await call.tell({"type": "conversation.item.create", "item": WEATHER}, {"type": "response.create"})
    done = await call.wait_for("response.done", 4)
    asked = done["response"]["output"][0]["call_id"]
    output = {"type": "function_call_output", "call_id": asked, "output": "Foggy."}
    await call.tell({"type": "conversation.item.create", "item": output}, {"type": "response.create"})
    await call.wait_for("response.done", 5)


async def _stay_silent(emulator: Any, caller: Any, dialect: str) -> list[dict[str, Any]]:
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    session = {"output_modalities": ["text"], "audio": {"input": {"turn_detection": detection}}}
    async with caller(emulator, dialect=dialect, session=session) as call:
        await call.wait_for_channel()
        await call.tell({"type": "response.create"})
        await call.wait_for("response.done", 2)
        return list(call.events)


@pytest.mark.parametrize("dialect", ["azure", "openai"])
def test_every_event_is_strictly_one_of_the_official_types(
    emulator: Any, caller: Any, voices: dict[str, bytes], dialect: str
) -> None:
    async def run() -> list[dict[str, Any]]:
        async with asyncio.TaskGroup() as group:
            silent = group.create_task(_stay_silent(emulator, caller, dialect))
            busy = group.create_task(_run_all(emulator, caller, voices["Hello!"], dialect))
        return [*silent.result(), *busy.result()]

    events = asyncio.run(run())
    classes = official_classes()
    foreign: set[str] = set()
    for event in events:
        official = pydantic.TypeAdapter(classes[event["type"]]).validate_python(event, strict=True)
        foreign |= foreign_fields(official)
    assert foreign <= set(UNKNOWN_TO_THE_SDK)
    elsewhere = {"conversation.item.created"} | ({"rate_limits.updated"} if dialect == "azure" else set())
    assert {event["type"] for event in events} == EVENT_TYPES - elsewhere, (
        "the run missed some, or sent others"
    )


def test_every_listed_type_is_an_official_one() -> None:
    assert set(official_classes()) >= EVENT_TYPES
    assert set(official_classes()) >= FILTERED_TYPES


def test_an_added_item_is_announced_under_its_older_name_too_where_that_is_asked_for(
    starter: Any, caller: Any
) -> None:
    start, stop = starter
    emulator = start("--legacy-item-created")

    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, connects=False) as call:
            told = {"type": "response.create", "response": {"output_modalities": ["text"]}}
            await call.tell({"type": "conversation.item.create", "item": HELLO}, told)
            await call.wait_for("response.done")
            return list(call.events)

    events = asyncio.run(talk())
    assert stop(emulator)[0] == 0
    places = [place for place, event in enumerate(events) if event["type"] == "conversation.item.added"]
    assert [events[place]["item"]["role"] for place in places] == ["user", "assistant"]
    official = pydantic.TypeAdapter(official_classes()["conversation.item.created"])
    for added, created in ((events[place], events[place + 1]) for place in places):
        assert official.validate_python(created, strict=True).type == "conversation.item.created"
        assert created["event_id"] != added["event_id"]
        only_these = {"type", "event_id"}
        assert {k: v for k, v in created.items() if k not in only_these} == {
            k: v for k, v in added.items() if k not in only_these
        }
    assert len([one for one in events if one["type"] == "conversation.item.created"]) == len(places)


def test_an_event_that_is_not_listed_cannot_be_made() -> None:
    with pytest.raises(LookupError, match="not listed"):
        make_event(None, "response.text.delta", {})  # type: ignore[arg-type]


def test_each_event_has_an_id_of_its_own(emulator: Any, caller: Any) -> None:
    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, connects=False) as call:
            await call.tell({"type": "response.create", "response": {"output_modalities": ["text"]}})
            await call.wait_for("response.done")
            return list(call.events)

    ids = [event["event_id"] for event in asyncio.run(talk())]
    assert len(ids) > 5
    assert len(set(ids)) == len(ids)
