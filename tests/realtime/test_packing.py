"""A conversation that is cut where nothing is going on, and goes on elsewhere from what was packed of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.turns import Conversation
from tests.realtime.pen import Pen, Sent, fold
from tests.realtime.test_conversations import SEEDED, conversations

KEPT = 6
PACKED = Path(__file__).with_name("packed.json")


def handed_on(sent: list[Sent], chance: random.Random, how_often: float) -> tuple[Conversation, int]:
    """Folded by one after the other, each of whom had only what the one before packed; and by how many."""
    conversation, holders = Conversation(), 1
    for seq, line in enumerate(sent, start=1):
        conversation.hear(seq, line.at, "upstream", line.raw)
        conversation.forget(KEPT)
        if chance.random() < how_often and (packed := conversation.packed()) is not None:
            conversation, holders = Conversation.unpacked(json.loads(json.dumps(packed))), holders + 1
    return conversation, holders


@SEEDED
@given(conversations(least=3, most=15), st.sampled_from([0.05, 0.3, 1.0]), st.randoms(use_true_random=False))
def test_whoever_goes_on_from_what_was_packed_comes_to_the_same_numbers(
    pen: Pen, how_often: float, chance: random.Random
) -> None:
    whole = fold(pen.sent)
    conversation, _ = handed_on(pen.sent, chance, how_often)
    assert conversation.summary() == whole.summary()
    assert conversation.last_seq == whole.last_seq
    now = pen.sent[-1].at + 5_000
    assert conversation.quiet_ms(now, 0) == whole.quiet_ms(now, 0)


@SEEDED
@given(conversations(most=15), st.randoms(use_true_random=False))
def test_whatever_comes_in_whatever_order_it_can_be_packed_and_goes_on(
    pen: Pen, chance: random.Random
) -> None:
    sent = [*pen.sent, *chance.sample(pen.sent, len(pen.sent) // 3)]
    chance.shuffle(sent)
    conversation, _ = handed_on(sent, chance, 0.5)
    assert conversation.last_seq == len(sent)


def call_of(exchanges: int) -> Pen:
    pen = Pen()
    pen.session(500)
    for number in range(exchanges):
        pen.ask(f"Question {number}")
        pen.answer("Hi, how are you?")
    pen.pay()
    return pen


@pytest.fixture
def long_call() -> Pen:
    return call_of(60)


def test_a_call_can_be_packed_after_each_answer_and_what_is_packed_hardly_grows(long_call: Pen) -> None:
    _, holders = handed_on(long_call.sent, random.Random(1), 1.0)
    assert holders > 60
    third = fold(call_of(20).sent).packed()
    assert len(json.dumps(fold(long_call.sent).packed())) < len(json.dumps(third)) + 1_000 < 4_000


def test_no_word_is_packed(long_call: Pen) -> None:
    packed = json.dumps(fold(long_call.sent).packed())
    assert "Question" not in packed and "how are" not in packed


def test_nothing_is_packed_while_a_response_is_made_or_heard_or_an_item_has_no_place(long_call: Pen) -> None:
    conversation = Conversation()
    begun: set[str] = set()
    for seq, line in enumerate(long_call.sent, start=1):
        conversation.hear(seq, line.at, "upstream", line.raw)
        type = json.loads(line.raw)["type"]
        if type in ("input_audio_buffer.speech_started", "response.created", "output_audio_buffer.started"):
            begun.add(type)
        elif type == "input_audio_buffer.committed":
            begun.discard("input_audio_buffer.speech_started")
        elif type == "response.done":
            begun.discard("response.created")
        elif type == "output_audio_buffer.stopped":
            begun.discard("output_audio_buffer.started")
        if begun:
            assert conversation.packed() is None, (type, begun)


def test_a_short_answer_that_is_made_before_it_is_heard_is_waited_for() -> None:
    sent, types = call_of(1).sent, [json.loads(line.raw)["type"] for line in call_of(1).sent]
    heard, done = types.index("output_audio_buffer.started"), types.index("response.done")
    sent[heard : done + 1] = [*sent[heard + 1 : done + 1], sent[heard]]
    assert fold(sent[:done]).packed() is None
    assert fold(sent).packed() is not None


def test_a_turn_that_is_deleted_after_it_was_packed_counts_no_more(long_call: Pen) -> None:
    conversation = fold(long_call.sent)
    last = conversation.turns[-1].item_id
    again = Conversation.unpacked(conversation.packed() or {})
    assert again.summary()["assistant_turns"] == 60
    raw = json.dumps({"type": "conversation.item.deleted", "item_id": last}).encode()
    again.hear(again.last_seq + 1, 1, "upstream", raw)
    assert again.summary()["assistant_turns"] == 59


def test_what_is_told_again_of_what_was_packed_counts_nothing_twice(long_call: Pen) -> None:
    conversation = Conversation.unpacked(fold(long_call.sent).packed() or {})
    before = conversation.summary()
    for line in long_call.sent[-40:]:
        event = json.loads(line.raw)
        if event["type"] in ("response.done", "conversation.item.done", "conversation.item.added"):
            again = json.dumps(event | {"event_id": f"{event['event_id']}_again"}).encode()
            conversation.hear(conversation.last_seq + 1, line.at, "upstream", again)
    assert conversation.summary() == before


def test_what_is_packed_is_what_other_versions_of_this_code_unpack() -> None:
    """Where this fails, the form has changed: raise `PACKING` in observer/recollection.py, and keep the new form."""
    conversation, kept = fold(call_of(2).sent), json.loads(PACKED.read_text())
    assert json.loads(json.dumps(conversation.packed())) == kept
    assert Conversation.unpacked(kept).summary() == conversation.summary()
