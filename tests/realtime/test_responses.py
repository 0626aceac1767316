"""Responses that end badly stay visible: by outcome, by reason, and in their place even without any item."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.realtime.pen import Pen, fold

RATE_LIMIT = {"type": "requests", "code": "rate_limit_exceeded", "message": "Slow down."}


@pytest.mark.parametrize(
    ("status", "details", "error", "reason"),
    [
        ("failed", {"error": RATE_LIMIT}, "rate_limit_exceeded", None),
        ("failed", {}, "failed", None),
        ("incomplete", {"reason": "content_filter"}, "content_filter", "content_filter"),
        ("incomplete", {"reason": "max_output_tokens"}, "max_output_tokens", "max_output_tokens"),
    ],
)
def test_a_response_that_failed_without_any_item_is_an_empty_turn_in_its_place(
    status: str, details: dict[str, Any], error: str, reason: str | None
) -> None:
    pen = Pen()
    pen.type("Hello?")
    pen.fail(status, **details)
    pen.type("Are you there?")
    pen.answer("Yes", audio=False)
    conversation = fold(pen.sent)
    assert [turn.text for turn in conversation.turns] == ["Hello?", "", "Are you there?", "Yes"]
    turn = conversation.turns[1]
    assert (turn.role, turn.status, turn.error, turn.reason) == ("assistant", status, error, reason)
    assert (turn.item_id, turn.response_id, turn.final, turn.order) == (
        turn.response_id,
        turn.item_id,
        True,
        1,
    )
    summary = conversation.summary()
    assert (summary["errors"], summary["responses"][status]) == (int(status == "failed"), 1)


def test_a_cancelled_response_without_any_item_is_counted_and_not_shown() -> None:
    pen = Pen()
    pen.fail("cancelled", reason="turn_detected")
    assert fold(pen.sent).turns == []
    assert fold(pen.sent).summary()["responses"] == {
        "completed": 0,
        "cancelled": 1,
        "failed": 0,
        "incomplete": 0,
    }


def test_an_item_that_comes_after_the_failure_takes_the_empty_turns_place() -> None:
    pen = Pen()
    pen.fail("failed", error=RATE_LIMIT)
    conversation = fold(pen.sent)
    before = conversation.last_seq
    late = Pen()
    place = {"response_id": conversation.turns[0].response_id, "item_id": "late", "content_index": 0}
    late.write("response.output_text.done", **place, text="I was")
    late.sent[0] = type(late.sent[0])(late.sent[0].at, late.sent[0].raw.replace(b"event_1", b"event_late"))
    fold(late.sent, before + 1, conversation)
    assert [(turn.item_id, turn.text, turn.status) for turn in conversation.turns] == [
        ("late", "I was", "failed")
    ]
    assert len(conversation.changed_since(before)) == 1
    assert conversation.summary()["errors"] == 1


def test_a_response_that_ends_twice_is_counted_once() -> None:
    pen = Pen()
    pen.answer("One")
    once = fold(pen.sent).summary()
    done = json.loads(next(line.raw for line in pen.sent if b'"response.done"' in line.raw))
    pen.write("response.done", response=done["response"])
    assert fold(pen.sent).summary() == once


def test_outcomes_are_counted() -> None:
    pen = Pen()
    pen.answer("One")
    pen.answer("Two", audio=False)
    pen.fail("cancelled", reason="client_cancelled")
    pen.fail("failed")
    pen.fail("incomplete", reason="max_output_tokens")
    pen.begin_response()
    summary = fold(pen.sent).summary()
    assert summary["responses"] == {"completed": 2, "cancelled": 1, "failed": 1, "incomplete": 1}


def test_a_response_out_of_band_is_shown_where_it_came_and_moves_nothing() -> None:
    pen = Pen()
    pen.type("Hello")
    pen.speak_beside("friendly")
    pen.answer("Hi", audio=False)
    conversation = fold(pen.sent)
    assert [turn.text for turn in conversation.turns] == ["Hello", "friendly", "Hi"]
    cut = next(n for n, line in enumerate(pen.sent) if b"friendly" in line.raw)
    assert [turn.text for turn in conversation.changed_since(cut + 5)] == ["Hi"]


def test_the_session_names_the_model() -> None:
    pen = Pen()
    assert fold(pen.sent).summary()["model"] is None
    pen.session(model="gpt-realtime-2025-08-28")
    assert fold(pen.sent).summary()["model"] == "gpt-realtime-2025-08-28"
