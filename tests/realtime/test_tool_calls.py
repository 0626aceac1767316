"""Which calls of a response count, and what the model is told of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime import tool_calls
from realtime.tool_calls import CALLS_MOST, ROUNDS_MOST, FunctionCall, announced

CALL = {
    "type": "function_call",
    "status": "completed",
    "call_id": "fc_1",
    "name": "weather",
    "arguments": "{}",
}


def done(*output: object, status: str = "completed", **more: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "status": status, "output": list(output)} | more
    return {"type": "response.done", "response": response}


def test_completed_calls_of_a_completed_response_count_once_each() -> None:
    found = announced(done(CALL, CALL, {"type": "message"}, CALL | {"call_id": "fc_2"}))
    assert found is not None and found.response_id == "resp_1"
    assert found.calls == [FunctionCall("fc_1", "weather", "{}"), FunctionCall("fc_2", "weather", "{}")]


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete", "in_progress"])
def test_a_response_that_did_not_complete_announces_nothing(status: str) -> None:
    assert announced(done(CALL, status=status)) is None


@pytest.mark.parametrize(
    "item",
    [
        CALL | {"status": "incomplete"},
        CALL | {"status": None},
        CALL | {"type": "mcp_call"},
        CALL | {"call_id": None},
        CALL | {"call_id": ""},
        CALL | {"call_id": "a\0b"},
        CALL | {"call_id": "x" * 513},
        CALL | {"name": None},
        CALL | {"name": 7},
        "function_call",
        None,
    ],
)
def test_what_is_no_completed_call_is_passed_over(item: object) -> None:
    assert announced(done(item)) is None


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "response.created", "response": {"id": "r", "status": "completed", "output": [CALL]}},
        {"type": "response.done"},
        {"type": "response.done", "response": []},
        {"type": "response.output_item.done", "item": CALL},
        done(CALL, id=None),
        done(CALL, output={"0": CALL}),
    ],
)
def test_nothing_else_calls_a_tool(event: dict[str, Any]) -> None:
    assert announced(event) is None


def test_of_a_flood_of_calls_the_first_count() -> None:
    found = announced(done(*[CALL | {"call_id": f"fc_{n}"} for n in range(1_000)]))
    assert found is not None and len(found.calls) == CALLS_MOST


def test_the_same_call_has_the_same_answers_id_and_another_another() -> None:
    assert tool_calls.command_id("fc_1") == tool_calls.command_id("fc_1") != tool_calls.command_id("fc_2")


def test_every_refusal_is_one_plain_sentence_in_json() -> None:
    for code in tool_calls.REFUSALS:
        said = json.loads(tool_calls.refusal(code))
        assert list(said) == ["error"] and said["error"].startswith("The") and "\n" not in said["error"]


def test_past_the_last_round_the_model_must_speak() -> None:
    assert tool_calls.next_response(ROUNDS_MOST - 1) == {"type": "response.create"}
    assert tool_calls.next_response(ROUNDS_MOST)["response"] == {"tool_choice": "none"}


@pytest.mark.parametrize(
    ("event", "is_it"),
    [
        ({"type": "input_audio_buffer.committed"}, True),
        ({"type": "conversation.item.added", "item": {"role": "user"}}, True),
        ({"type": "conversation.item.added", "item": {"role": "assistant"}}, False),
        ({"type": "conversation.item.added", "item": {"type": "function_call_output"}}, False),
        ({"type": "response.done", "response": {}}, False),
    ],
)
def test_whose_turn_it_is(event: dict[str, Any], is_it: bool) -> None:
    assert tool_calls.is_callers_turn(event) is is_it


@pytest.mark.parametrize("result", [b"x", float("nan"), {1, 2}, object(), "\ud800", {"a": b"x"}])
def test_what_json_cannot_say_is_no_output(result: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        tool_calls.as_output(result)


def test_an_output_has_a_size() -> None:
    assert not tool_calls.is_too_large("x" * tool_calls.RESULT_MAX_BYTES)
    assert tool_calls.is_too_large("x" * (tool_calls.RESULT_MAX_BYTES + 1))
    assert tool_calls.is_too_large("ü" * (tool_calls.RESULT_MAX_BYTES // 2 + 1))
