"""What clients may say, on either way in, and what is answered when they may not."""

import asyncio
import copy
import json
import random
from typing import Any

import pytest

TEXT_ONLY = {"output_modalities": ["text"]}
SEED = 20261121
HELLO = {
    "type": "conversation.item.create",
    "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello!"}]},
}


@pytest.mark.parametrize(
    ("said", "code", "param"),
    [
        ({"type": "nonsense"}, "invalid_value", "type"),
        ({}, "missing_required_parameter", "type"),
        ({"type": 3}, "invalid_value", "type"),
        ({"type": ["session.update"]}, "invalid_value", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (
            {"type": "session.update", "session": {"type": "realtime", "x": 1}},
            "unknown_parameter",
            "session.x",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "model": "y"}},
            "invalid_value",
            "session.model",
        ),
        ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
        ({**HELLO, "previous_item_id": "nobody"}, "item_create_invalid_previous_item_id", "previous_item_id"),
        ({"type": "conversation.item.retrieve"}, "missing_required_parameter", "item_id"),
        ({"type": "conversation.item.retrieve", "item_id": 1}, "invalid_type", "item_id"),
        ({"type": "conversation.item.delete", "item_id": "nobody"}, "item_not_found", "item_id"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        ({"type": "response.create", "response": {"volume": 1}}, "unknown_parameter", "response.volume"),
        (
            {"type": "response.create", "response": {"conversation": "elsewhere"}},
            "invalid_value",
            "response.conversation",
        ),
        ({"type": "response.create", "response": {"metadata": 1}}, "invalid_type", "response.metadata"),
        ({"type": "response.create", "response": []}, "invalid_type", "response"),
    ],
)
def test_a_mistake_names_the_event_that_made_it(
    emulator: Any, caller: Any, said: Any, code: str, param: Any
) -> None:
    async def talk() -> dict[str, Any]:
        async with caller(emulator, connects=False) as call:
            await call.tell({**said, "event_id": "mine"})
            return dict((await call.wait_for("error"))["error"])

    error = asyncio.run(talk())
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"a":' * 200 + "1" + "}" * 200,
        '{"type": "\\ud83d"}',
        '{"type": NaN}',
        '{"type": 1e400}',
    ],
)
def test_what_is_no_event_is_an_error_and_the_call_goes_on(emulator: Any, caller: Any, raw: str) -> None:
    async def talk() -> dict[str, Any]:
        async with caller(emulator, connects=False) as call:
            await call.socket.send_str(raw)
            await call.socket.send_bytes(b"\xff\xfe")
            second = await call.wait_for("error", 2)
            await call.tell({"type": "session.update", "session": {"type": "realtime"}})
            await call.wait_for("session.updated")
            return dict(second["error"])

    error = asyncio.run(talk())
    assert (error["code"], error["event_id"]) == ("invalid_json", None)


@pytest.mark.parametrize("event_id", [7, "x" * 513, {"a": 1}])
def test_an_event_id_has_a_form(emulator: Any, caller: Any, event_id: object) -> None:
    async def talk() -> dict[str, Any]:
        async with caller(emulator, connects=False) as call:
            await call.tell({"type": "input_audio_buffer.clear", "event_id": event_id})
            return dict((await call.wait_for("error"))["error"])

    assert asyncio.run(talk())["param"] == "event_id"


def test_a_second_response_is_refused_while_one_is_active(emulator: Any, caller: Any) -> None:
    async def talk() -> tuple[dict[str, Any], list[str]]:
        async with caller(emulator, connects=False, session=TEXT_ONLY) as call:
            await call.tell({"type": "response.create"}, {"type": "response.create", "event_id": "too soon"})
            error = await call.wait_for("error")
            await call.wait_for("response.done")
            await call.tell({"type": "response.create"})
            await call.wait_for("response.done", 2)
            return error["error"], call.types()

    error, types = asyncio.run(talk())
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "too soon")
    assert types.count("response.created") == 2


def test_a_response_takes_what_was_asked_of_it(emulator: Any, caller: Any) -> None:
    async def talk() -> dict[str, Any]:
        async with caller(emulator, connects=False) as call:
            asked = {
                "output_modalities": ["text"],
                "metadata": {"topic": "greeting"},
                "instructions": "Be kind.",
            }
            await call.tell(HELLO, {"type": "response.create", "response": asked})
            return dict((await call.wait_for("response.done"))["response"])

    response = asyncio.run(talk())
    assert response["metadata"] == {"topic": "greeting"}
    assert response["output"][0]["content"][0]["type"] == "output_text"
    assert "lovely to hear from you" in response["output"][0]["content"][0]["text"]


def test_a_cancelled_response_says_so_and_keeps_its_order(emulator: Any, caller: Any) -> None:
    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, connects=False, session=TEXT_ONLY) as call:
            reply = {"call_id": call.call_id, "replies": {"Hello!": "word " * 300}}
            await emulator.control("POST", "/emulator/script", reply, 204)
            await call.tell(HELLO, {"type": "response.create"})
            await call.wait_for("response.output_text.delta", 3)
            await call.tell({"type": "response.cancel"})
            await call.wait_for("response.done")
            return list(call.events)

    events = asyncio.run(talk())
    done = events[-1]["response"]
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    said = "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta")
    assert len(said) < 5 * 300
    assert done["output"][0]["status"] == "incomplete"
    assert done["output"][0]["content"][0]["text"] == said
    assert [one["type"] for one in events[-5:-1]] == [
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
    ]


def test_a_channel_hears_its_own_mistakes_and_not_those_of_others(emulator: Any, caller: Any) -> None:
    async def talk() -> tuple[list[Any], list[Any]]:
        async with caller(emulator) as call:
            await call.wait_for_channel()
            call.channel.send('{"type": "mine", "event_id": "from the channel"}')
            await call.tell({"type": "theirs", "event_id": "from the sideband"})
            await call.wait_for("error", 2)
            await call.tell({"type": "session.update", "session": {"type": "realtime"}})
            await call.until(lambda: any(one["type"] == "session.updated" for one in call.channel_events))
            return call.named("error"), call.channel_events

    sideband, channel = asyncio.run(talk())
    assert {one["error"]["event_id"] for one in sideband} == {"from the channel", "from the sideband"}
    assert [one["type"] for one in channel] == ["session.created", "error", "session.updated"]
    assert channel[1]["error"]["event_id"] == "from the channel"


def test_under_the_filter_a_browser_sees_only_what_is_allowed(emulator: Any, caller: Any) -> None:
    async def talk() -> tuple[list[str], list[str]]:
        async with caller(emulator, query="?webrtcfilter=on", session=TEXT_ONLY) as call:
            await call.wait_for_channel()
            call.channel.send('{"type": "mine"}')
            await call.tell(HELLO, {"type": "response.create"})
            await call.wait_for("response.done")
            await call.until(
                lambda: any(one["type"] == "response.output_text.done" for one in call.channel_events)
            )
            return [one["type"] for one in call.channel_events], call.types()

    seen, all_types = asyncio.run(talk())
    deltas = all_types.count("response.output_text.delta")
    assert seen == [
        *["conversation.item.added"] * 2,
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
    ]
    assert "error" in all_types


def test_the_filter_is_azures_alone(emulator: Any, caller: Any) -> None:
    async def talk() -> list[str]:
        async with caller(emulator, dialect="openai", query="?webrtcfilter=on") as call:
            await call.until(lambda: call.channel_events, "the greeting")
            return [one["type"] for one in call.channel_events]

    assert asyncio.run(talk()) == ["session.created"]


def test_without_turn_detection_a_turn_is_committed_by_hand(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    session = {"audio": {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}}

    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, says=voices["Hello!"], session=session) as call:
            await call.wait_for_channel()
            await emulator.control(
                "POST", "/emulator/script", {"call_id": call.call_id, "heard": ["Hello!"]}, 204
            )
            await call.until_record(lambda record: record["audio_in_ms"] >= 500)
            await call.tell({"type": "input_audio_buffer.commit"}, {"type": "input_audio_buffer.commit"})
            await call.wait_for("error")
            return list(call.events)

    events = asyncio.run(talk())
    assert [one["type"] for one in events] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "error",
    ]
    assert events[5]["transcript"] == "Hello!"
    assert events[5]["usage"]["type"] == "duration"
    assert events[6]["error"]["code"] == "input_audio_buffer_commit_empty"


TEMPLATES: list[dict[str, Any]] = [
    HELLO,
    {
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
    },
    {
        "type": "session.update",
        "session": {"type": "realtime", "tools": [], "audio": {"input": {"transcription": {"model": "m"}}}},
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "c", "output": "{}"},
    },
    {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 1},
    {"type": "response.create", "response": {"output_modalities": ["text"], "metadata": {}}},
    {
        "type": "response.create",
        "response": {
            "output_modalities": ["text"],
            "conversation": "none",
            "input": [HELLO["item"], {"type": "item_reference", "id": "a"}],
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": "auto",
            "max_output_tokens": 9,
        },
    },
    {
        "type": "session.update",
        "session": {
            "turn_detection": {"type": "none"},
            "modalities": ["text"],
            "input_audio_format": "pcm16",
        },
    },
    {"type": "response.cancel", "response_id": "r"},
    {"type": "input_audio_buffer.commit", "event_id": "e"},
]
JUNK: list[Any] = [
    None,
    True,
    -1,
    1e308,
    "",
    "x" * 300,
    [],
    {},
    [[]],
    {"type": None},
    ["audio"],
    {"a": {"b": []}},
    "root",
    "\ud800",
]


def spoil(value: Any, chance: random.Random) -> Any:
    """`value` with one thing in it, at any depth, turned into junk or doubled under another name."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.3:
        return copy.deepcopy(chance.choice(JUNK))
    spoilt = copy.deepcopy(value)
    place: Any = chance.choice(list(spoilt)) if isinstance(spoilt, dict) else chance.randrange(len(spoilt))
    spoilt[place] = spoil(spoilt[place], chance)
    return spoilt


def test_no_event_makes_a_call_fall_over(emulator: Any, caller: Any) -> None:
    """The emulator's own complaints on stderr are looked at when all tests are over."""
    chance = random.Random(SEED)

    async def talk() -> int:
        async with caller(emulator, connects=False, session=TEXT_ONLY) as call:
            for _ in range(400):
                await call.socket.send_str(json.dumps(spoil(chance.choice(TEMPLATES), chance)))
            await call.tell({"type": "no such event", "event_id": "the end"})
            await call.until(
                lambda: any(one["error"]["event_id"] == "the end" for one in call.named("error"))
            )
            return len(call.named("error"))

    assert asyncio.run(talk()) > 200, SEED
