"""What was heard of an answer that was cut off: an estimate that never claims too much."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import heard
from realtime.turns import Conversation, Turn
from tests.realtime.pen import Pen, fold

WORDS = "one two three four five six seven eight"  # 39 letters and spaces


def last_answer(pen: Pen) -> Turn:
    return [turn for turn in fold(pen.sent).turns if turn.role == "assistant"][-1]


def cut_answer(
    sounding_ms: int, audio_tokens: int = 80, truncated_ms: int | None = None, words: str = WORDS
) -> Turn:
    """All of it is generated at once; it sounds for so long, then the caller speaks."""
    pen = Pen()
    pen.ask("Count")
    response = pen.begin_response()
    item = pen.end_item(response, pen.say(response, words, generating_ms=0))
    pen.end_response(response, item, audio_tokens=audio_tokens)
    pen.wait(sounding_ms)
    pen.begin_speech()
    pen.clear(response)
    if truncated_ms is not None:
        pen.truncate(item, truncated_ms)
    return last_answer(pen)


# By hand: 80 audio tokens are 4,000 ms for 39 units. 1,000 ms are 9.75 units, "one two" is 7 and "one two three" 13.
# 2,000 ms are 19.5 units, "… four" is 18 and "… five" 23.
@pytest.mark.parametrize(
    ("sounding_ms", "said"),
    [
        (0, ""),
        (300, ""),
        (310, "one"),
        (1_000, "one two"),
        (2_000, "one two three four"),
        (3_999, "one two three four five six seven"),
        (4_000, WORDS),
        (60_000, WORDS),
    ],
)
def test_the_audible_part_of_the_sound_is_the_heard_part_of_the_words(sounding_ms: int, said: str) -> None:
    turn = cut_answer(sounding_ms)
    assert (turn.text, turn.heard, turn.unheard) == (WORDS, said, WORDS[len(said) :])
    assert (turn.interrupted, turn.status, turn.audio_end_ms) == (True, "completed", None)


@pytest.mark.parametrize(("stated_ms", "said"), [(1_000, "one two"), (2_000, "one two three four"), (0, "")])
def test_a_truncation_may_state_less_than_was_seen(stated_ms: int, said: str) -> None:
    turn = cut_answer(3_000, truncated_ms=stated_ms)
    assert (turn.heard, turn.audio_end_ms) == (said, stated_ms)


def test_a_truncation_that_states_more_than_could_sound_is_not_believed() -> None:
    assert cut_answer(1_000, truncated_ms=3_500).heard == "one two"


def test_without_tokens_a_slow_rate_of_speech_is_taken() -> None:
    # 12 units a second: 1,000 ms are 12 units, "one two" is 7 and "one two three" 13.
    assert cut_answer(1_000, audio_tokens=0).heard == "one two"
    assert cut_answer(1_090, audio_tokens=0).heard == "one two three"


def test_tokens_that_are_too_few_for_the_words_are_not_believed() -> None:
    # 2 tokens would be 100 ms for 39 units. Nobody says more than 25 units a second: in 300 ms that is 7.5 units.
    assert cut_answer(300, audio_tokens=2).heard == "one two"


def test_numbers_and_wide_characters_take_longer_than_letters() -> None:
    assert heard.weigh("abc") == 3
    assert heard.weigh("19") == 8
    assert heard.weigh("天気") == 6
    assert heard.split("天気はいい", 0.5) == ("天気", "はいい")
    assert heard.split("in 1998 it was", 0.5) == ("in", " 1998 it was")


def test_a_text_that_came_after_the_cut_was_not_heard() -> None:
    pen = Pen()
    response = pen.begin_response()
    item = pen.say(response, "one two", generating_ms=100)
    pen.wait(3_000)
    pen.begin_speech()
    pen.clear(response)
    full = item | {"content": [{"type": "output_audio", "transcript": WORDS}]}
    full = pen.end_item(response, full, "incomplete")
    pen.end_response(response, full, status="cancelled", reason="turn_detected")
    turn = last_answer(pen)
    assert (turn.text, turn.heard, turn.unheard) == (WORDS, "one two", WORDS[7:])


def test_a_shorter_transcript_after_a_truncation_does_not_take_generated_words_back() -> None:
    pen = Pen()
    pen.answer_interrupted(WORDS, "Stop", done_before=False, truncated=True)
    item = {
        "id": fold(pen.sent).turns[0].item_id,
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
    }
    for transcript in ("one two", ""):
        content = [{"type": "output_audio", "transcript": transcript}]
        pen.write("conversation.item.retrieved", item=item | {"content": content})
        pen.write(
            "response.done",
            response={"id": "resp_1", "status": "cancelled", "output": [item | {"content": content}]},
        )
    assert fold(pen.sent).turns[0].text == WORDS


def test_an_answer_cancelled_before_any_sound_was_not_heard() -> None:
    pen = Pen()
    response = pen.begin_response()
    place: dict[str, Any] = {"response_id": response, "item_id": "a", "content_index": 0}
    pen.write("response.content_part.added", **place, part={"type": "audio", "transcript": ""})
    pen.write("response.output_audio_transcript.delta", **place, delta="one two")
    pen.end_response(response, status="cancelled", reason="turn_detected", audio_tokens=80)
    turn = last_answer(pen)
    assert (turn.text, turn.heard, turn.unheard, turn.interrupted) == ("one two", "", "one two", False)
    assert (turn.status, turn.reason) == ("cancelled", "turn_detected")
    assert fold(pen.sent).summary()["interruptions"] == 0


def test_a_buffer_that_is_cleared_without_having_been_seen_to_start_claims_nothing() -> None:
    pen = Pen()
    pen.answer_interrupted(WORDS, "Stop", done_before=True, truncated=False)
    late = [line for line in pen.sent if b"output_audio_buffer.started" not in line.raw]
    turn = fold(late).turns[0]
    assert (turn.heard, turn.unheard) == ("", WORDS)


def test_until_the_buffer_is_said_to_be_cleared_the_cancelling_ends_the_sound() -> None:
    pen = Pen()
    response = pen.begin_response()
    item = pen.say(response, WORDS, generating_ms=0)
    pen.wait(1_000)
    pen.begin_speech()
    pen.end_response(response, item, status="cancelled", reason="turn_detected")
    assert last_answer(pen).heard == "one two"
    pen.wait(1_100)
    pen.clear(response)
    assert last_answer(pen).heard == "one two three four"


def test_a_sound_that_was_stopped_by_hand_is_split_and_is_no_interruption() -> None:
    pen = Pen()
    response = pen.begin_response()
    item = pen.say(response, WORDS, generating_ms=0)
    pen.wait(1_000)
    pen.end_response(response, item, status="cancelled", reason="client_cancelled")
    assert last_answer(pen).heard is None  # the buffer plays on
    pen.clear(response)
    turn = last_answer(pen)
    assert (turn.heard, turn.interrupted, turn.reason) == ("one two", False, "client_cancelled")
    assert fold(pen.sent).summary()["interruptions"] == 0


def test_speech_that_cuts_nothing_off_is_no_interruption() -> None:
    pen = Pen()
    response = pen.begin_response()
    item = pen.end_item(response, pen.say(response, WORDS))
    pen.end_response(response, item)
    pen.begin_speech()
    pen.stop(response)
    turn = last_answer(pen)
    assert (turn.heard, turn.unheard, turn.interrupted) == (None, None, False)


def test_speech_after_the_sound_interrupts_nothing() -> None:
    pen = Pen()
    pen.answer(WORDS)
    pen.ask("Thanks")
    pen.truncate({"id": last_answer(pen).item_id}, 60_000)
    assert (last_answer(pen).interrupted, fold(pen.sent).summary()["interruptions"]) == (False, 0)


def test_speech_that_is_told_after_the_truncation_still_interrupts() -> None:
    pen = Pen()
    response = pen.begin_response()
    item = pen.say(response, WORDS, generating_ms=0)
    pen.wait(1_000)
    pen.truncate(item, 900)
    conversation = fold(pen.sent)
    assert not conversation.turns[0].interrupted
    before = conversation.last_seq
    pen.begin_speech()
    fold(pen.sent[before:], before + 1, conversation)
    assert [turn.interrupted for turn in conversation.changed_since(before)] == [True]


def test_the_least_that_is_stated_counts() -> None:
    pen = Pen()
    pen.answer(WORDS)
    item = {"id": last_answer(pen).item_id}
    for stated_ms in (2_000, 1_000, 3_000):
        pen.truncate(item, stated_ms)
    assert (last_answer(pen).audio_end_ms, last_answer(pen).heard) == (1_000, "one two")


def test_an_answer_that_was_played_or_written_is_heard_whole() -> None:
    pen = Pen()
    pen.answer(WORDS)
    assert (last_answer(pen).heard, last_answer(pen).unheard) == (None, None)
    response = pen.begin_response()
    pen.end_response(
        response, pen.say(response, WORDS, audio=False), status="cancelled", reason="client_cancelled"
    )
    assert (last_answer(pen).heard, last_answer(pen).unheard) == (None, None)


def test_the_second_message_of_a_response_sounds_after_the_first() -> None:
    pen = Pen()
    response = pen.begin_response()
    items = [pen.end_item(response, pen.say(response, words, generating_ms=0)) for words in (WORDS, WORDS)]
    pen.end_response(response, *items, audio_tokens=160)  # 4 s each
    pen.wait(5_000)
    pen.begin_speech()
    pen.clear(response)
    assert [turn.heard for turn in fold(pen.sent).turns] == [WORDS, "one two"]


def test_what_changes_one_message_of_a_cut_response_changes_the_others() -> None:
    pen = Pen()
    response = pen.begin_response()
    first, _ = (pen.say(response, words, generating_ms=0) for words in ("one two", WORDS))
    pen.wait(2_000)
    pen.begin_speech()
    pen.clear(response)
    conversation = fold(pen.sent)
    # 12 units a second: "one two" sounds for 583 ms, which leaves 17 units of the other.
    assert [turn.heard for turn in conversation.turns] == ["one two", "one two three"]
    before = conversation.last_seq
    place = {"response_id": response, "item_id": first["id"], "content_index": 0}
    pen.write("response.output_audio_transcript.delta", **place, delta=" three")
    fold(pen.sent[before:], before + 1, conversation)
    # Now 1,083 ms, which leave 11 units.
    assert [turn.heard for turn in conversation.changed_since(before)] == ["one two", "one two"]


def test_a_message_that_joins_a_cut_response_changes_the_others() -> None:
    pen = Pen()
    response = pen.begin_response()
    item = pen.say(response, WORDS, generating_ms=0)
    pen.wait(1_000)
    pen.begin_speech()
    pen.clear(response)
    pen.end_response(response, item, status="cancelled", reason="turn_detected", audio_tokens=80)
    conversation = fold(pen.sent)
    assert conversation.turns[0].heard == "one two"
    before = conversation.last_seq
    place = {"response_id": response, "item_id": "late", "content_index": 0}
    pen.write("response.output_audio_transcript.done", **place, transcript=WORDS)
    fold(pen.sent[before:], before + 1, conversation)
    # The 4,000 ms were of two texts then, so 1,000 ms were 19.5 units of the first.
    assert [turn.heard for turn in conversation.changed_since(before)] == ["one two three four", ""]


def test_an_item_known_only_by_its_truncation_is_no_turn() -> None:
    pen = Pen()
    pen.truncate({"id": "gone"}, 500)
    assert fold(pen.sent).turns == []


@pytest.mark.parametrize("odd", [None, -1, True, "7", 1.5, 10**30])
def test_an_odd_position_is_no_truncation(odd: object) -> None:
    pen = Pen()
    pen.answer(WORDS)
    item_id = last_answer(pen).item_id
    pen.write("conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=odd)
    assert (last_answer(pen).audio_end_ms, last_answer(pen).heard) == (None, None)


@given(st.text(), st.floats(0, 2), st.none() | st.integers(0, 50))
def test_the_two_parts_are_the_text_and_more_time_is_never_less_heard(
    text: str, share: float, known: int | None
) -> None:
    said, rest = heard.split(text, share, known)
    assert said + rest == text
    assert known is None or len(said) <= known
    assert heard.split(text, share / 2, known)[0] == said[: len(heard.split(text, share / 2, known)[0])]
    assert heard.weigh(said) <= share * heard.weigh(text) + 1e-6


def test_interruptions_are_counted() -> None:
    pen = Pen()
    pen.answer_interrupted(WORDS, "Stop", done_before=True, truncated=False)
    pen.answer_interrupted(WORDS, "Stop!", done_before=False, truncated=True)
    pen.answer(WORDS)
    conversation: Conversation = fold(pen.sent)
    assert conversation.summary()["interruptions"] == 2
    assert [turn.interrupted for turn in conversation.turns] == [True, False, True, False, False]
