"""A conversation that lets go of what was said long ago: its numbers stay, whatever it was."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.turns import Conversation
from tests.realtime.pen import Pen, Sent, fold
from tests.realtime.test_conversations import SEEDED, conversations


def fold_and_forget(sent: list[Sent], keep: int, chance: random.Random) -> Conversation:
    """Forgets now and then, and at the end."""
    conversation = Conversation()
    for seq, line in enumerate(sent, start=1):
        conversation.hear(seq, line.at, "upstream", line.raw)
        if chance.random() < 0.2:
            conversation.forget(keep)
    conversation.forget(keep)
    return conversation


@SEEDED
@given(conversations(least=6, most=15), st.integers(4, 8), st.randoms(use_true_random=False))
def test_a_conversation_that_forgets_has_the_same_numbers_and_the_newest_turns(
    pen: Pen, keep: int, chance: random.Random
) -> None:
    whole, forgetful = fold(pen.sent), fold_and_forget(pen.sent, keep, chance)
    assert forgetful.summary() == whole.summary()
    names = [turn.item_id for turn in whole.turns]
    kept = [turn.item_id for turn in forgetful.turns]
    assert len(kept) <= 2 * keep and kept == names[len(names) - len(kept) :]


@SEEDED
@given(conversations(most=15), st.integers(1, 5), st.randoms(use_true_random=False))
def test_whatever_comes_in_whatever_order_to_a_conversation_that_forgets_it_folds(
    pen: Pen, keep: int, chance: random.Random
) -> None:
    sent = [*pen.sent, *chance.sample(pen.sent, len(pen.sent) // 3)]
    chance.shuffle(sent)
    conversation = fold_and_forget(sent, keep, chance)
    assert len(conversation.turns) <= conversation.summary()["turns"] + conversation.summary()["tool_calls"]


@pytest.fixture
def long_call() -> Pen:
    pen = Pen()
    for number in range(40):
        pen.ask(f"Question {number}")
        pen.answer("Hi, how are you?")
    return pen


def test_a_turn_that_is_deleted_when_it_is_gone_already_counts_no_more(long_call: Pen) -> None:
    conversation = fold(long_call.sent)
    first = conversation.turns[0].item_id
    conversation.forget(5)
    assert conversation.turns[0].item_id != first and conversation.summary()["user_turns"] == 40
    for _ in range(2):
        raw = json.dumps({"type": "conversation.item.deleted", "item_id": first}).encode()
        conversation.hear(conversation.last_seq + 1, 1, "upstream", raw)
        assert conversation.summary()["user_turns"] == 39


def test_what_is_told_of_a_response_that_is_gone_counts_nothing_twice(long_call: Pen) -> None:
    conversation = fold(long_call.sent)
    conversation.forget(5)
    before = conversation.summary()
    done = next(line.raw for line in long_call.sent if b"response.done" in line.raw)
    again = json.dumps(json.loads(done) | {"event_id": "event_again"}).encode()
    conversation.hear(conversation.last_seq + 1, 1, "upstream", again)
    assert conversation.summary() == before


def test_a_response_whose_end_was_not_heard_is_not_waited_for_for_ever(long_call: Pen) -> None:
    conversation = fold([line for line in long_call.sent if b"response.done" not in line.raw])
    conversation.forget(5)
    assert len(conversation.turns) <= 5
