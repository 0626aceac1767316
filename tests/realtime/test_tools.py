"""A call of a tool is a turn: its arguments, its output, its times, in its place."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.turns import Turn
from tests.realtime.pen import LATENCY_MS, Pen, Sent, fold


def tools_of(pen: Pen) -> list[Turn]:
    return [turn for turn in fold(pen.sent).turns if turn.role == "tool"]


def test_a_tool_round_has_arguments_output_and_times() -> None:
    pen = Pen()
    pen.type("What is the weather?")
    response = pen.begin_response()
    item, call_id = pen.call_tool(response)
    asked_at = pen.now + LATENCY_MS
    pen.end_response(response, item)
    (turn,) = tools_of(pen)
    assert (turn.status, turn.final, turn.tool and turn.tool["output"]) == ("in_progress", False, None)
    pen.wait(350)
    pen.give_output(call_id, "foggy")
    pen.answer("It is foggy")
    conversation = fold(pen.sent)
    assert [(turn.role, turn.order) for turn in conversation.turns] == [
        ("user", 0),
        ("tool", 1),
        ("assistant", 2),
    ]
    tool = conversation.turns[1]
    assert tool.tool == {
        "call_id": call_id,
        "name": "get_weather",
        "arguments": '{"city": "London"}',
        "output": "foggy",
        "started_at": asked_at,
        "ended_at": asked_at + 350,
        "status": "completed",
    }
    assert (tool.text, tool.modality, tool.final, tool.status) == ("", "text", True, "completed")
    assert (tool.started_at, tool.ended_at) == (asked_at, asked_at + 350)
    assert (tool.heard, tool.unheard, tool.interrupted) == (None, None, False)
    summary = conversation.summary()
    assert (summary["tool_calls"], summary["turns"], summary["assistant_turns"]) == (1, 2, 1)


def test_arguments_grow_while_the_model_writes_them() -> None:
    pen = Pen()
    response = pen.begin_response()
    pen.call_tool(response)
    done = next(n for n, line in enumerate(pen.sent) if b"arguments.done" in line.raw)
    (turn,) = fold(pen.sent[:done]).turns
    assert turn.tool == {
        "call_id": "call_3",
        "name": "get_weather",
        "arguments": '{"city": "London"}',
        "output": None,
        "started_at": None,
        "ended_at": None,
        "status": "in_progress",
    }
    assert fold(pen.sent[: done - 1]).turns[0].tool["arguments"] == '{"cit'  # type: ignore[index]


def test_two_calls_in_one_response_each_get_their_own_output() -> None:
    pen = Pen()
    response = pen.begin_response()
    items = [pen.call_tool(response, arguments) for arguments in ("{1}", "{2}")]
    pen.end_response(response, *[item for item, _ in items])
    for _, call_id in reversed(items):
        pen.give_output(call_id, f"output of {call_id}")
    told = [turn.tool for turn in tools_of(pen)]
    assert [t and (t["arguments"], t["output"]) for t in told] == [
        ("{1}", f"output of {items[0][1]}"),
        ("{2}", f"output of {items[1][1]}"),
    ]


def test_an_output_that_comes_before_its_call_waits_for_it() -> None:
    pen = Pen()
    pen.tool_round("It is foggy")
    output = [line for line in pen.sent if b"function_call_output" in line.raw]
    rest = [line for line in pen.sent if b"function_call_output" not in line.raw]
    again = [
        Sent(line.at + 9, line.raw.replace(b"foggy", b"sunny").replace(b"event", b"again")) for line in output
    ]
    (tool,) = [turn.tool for turn in fold([*output, *again, *rest]).turns if turn.role == "tool"]
    assert tool is not None
    assert (tool["output"], tool["status"], tool["ended_at"]) == ("foggy", "completed", output[0].at)


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete"])
def test_a_call_whose_response_did_not_complete_is_not_awaited(status: str) -> None:
    pen = Pen()
    response = pen.begin_response()
    item, _ = pen.call_tool(response)
    pen.end_response(response, item, status=status, reason="turn_detected")
    (turn,) = tools_of(pen)
    assert (turn.status, turn.final, turn.tool and turn.tool["status"]) == (status, True, status)
    assert len(fold(pen.sent).turns) == 1


def test_a_call_known_only_by_its_arguments_is_a_tools_turn() -> None:
    pen = Pen()
    place: dict[str, Any] = {"response_id": "r", "item_id": "f", "call_id": "c"}
    pen.write("response.function_call_arguments.done", **place, name="look", arguments="{}")
    (turn,) = tools_of(pen)
    assert turn.tool is not None
    assert (turn.tool["call_id"], turn.tool["name"], turn.tool["arguments"]) == ("c", "look", "{}")


def test_an_mcp_call_carries_its_output_itself() -> None:
    pen = Pen()
    item = {"id": "m", "type": "mcp_call", "name": "search", "arguments": "{}", "server_label": "docs"}
    pen.write("conversation.item.added", item=item, previous_item_id=None)
    assert tools_of(pen)[0].status == "in_progress"
    pen.write("conversation.item.done", item=item | {"output": "found"}, previous_item_id=None)
    (turn,) = tools_of(pen)
    assert turn.tool is not None
    assert (turn.tool["name"], turn.tool["output"], turn.status) == ("search", "found", "completed")


def test_what_was_called_and_answered_is_not_changed_by_late_copies() -> None:
    pen = Pen()
    pen.tool_round("It is foggy")
    (before,) = tools_of(pen)
    assert before.tool is not None
    place = {"response_id": before.response_id, "item_id": before.item_id}
    pen.write("response.function_call_arguments.delta", **place, delta='{"late')
    pen.give_output(before.tool["call_id"], "sunny")
    (after,) = tools_of(pen)
    assert after.tool == before.tool


def test_an_mcp_calls_first_output_counts() -> None:
    pen = Pen()
    for output in ("found", "found again"):
        item = {"id": "m", "type": "mcp_call", "name": "search", "arguments": "{}", "output": output}
        pen.wait(100)
        pen.write("conversation.item.retrieved", item=item)
    tool = tools_of(pen)[0].tool
    assert tool is not None
    assert (tool["output"], tool["ended_at"]) == ("found", pen.sent[0].at)


def test_a_deleted_call_vanishes() -> None:
    pen = Pen()
    pen.tool_round("It is foggy")
    pen.write("conversation.item.deleted", item_id=tools_of(pen)[0].item_id)
    assert [turn.role for turn in fold(pen.sent).turns] == ["assistant"]
    assert fold(pen.sent).summary()["tool_calls"] == 0
