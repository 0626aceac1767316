"""How long the caller waited: by our clock, as the caller felt it, and how soon the model began."""

from __future__ import annotations

import pytest

from realtime.gaps import BufferClock
from realtime.turns import Conversation, Turn
from tests.realtime.pen import Pen, fold


def answer_after(pen: Pen, ms: int, created_ms: int = 50) -> None:
    """An answer whose sound begins `ms` after the caller's end of speech was announced."""
    pen.wait(created_ms)
    response = pen.begin_response()
    pen.wait(ms - created_ms)
    item = pen.end_item(response, pen.say(response, "Hi", generating_ms=0))
    pen.end_response(response, item)
    pen.stop(response)


def one_turn(silence_ms: int | None, known: bool = True) -> Conversation:
    pen = Pen()
    if known:
        pen.session(silence_ms)
    pen.wait(5_000)
    pen.end_speech(pen.begin_speech(), "Hello", ms=900, silence_ms=silence_ms or 200)
    answer_after(pen, 430)
    return fold(pen.sent)


def answer_of(conversation: Conversation) -> Turn:
    return next(turn for turn in conversation.turns if turn.role == "assistant")


@pytest.mark.parametrize("silence_ms", [200, 500])
def test_the_perceived_gap_holds_the_silence_that_the_caller_waited(silence_ms: int) -> None:
    conversation = one_turn(silence_ms)
    turn = answer_of(conversation)
    assert (turn.response_gap_ms, turn.perceived_gap_ms) == (430, 430 + silence_ms)
    assert conversation.summary()["response_gap_ms"] == {"p50": 430, "worst": 430, "count": 1}
    perceived = 430 + silence_ms
    assert conversation.summary()["perceived_gap_ms"] == {"p50": perceived, "worst": perceived, "count": 1}


def test_where_the_window_is_not_known_the_perceived_gap_is_a_lower_bound() -> None:
    assert answer_of(one_turn(None)).perceived_gap_ms == 430
    assert answer_of(one_turn(200, known=False)).perceived_gap_ms == 430


def test_an_event_that_is_late_does_not_shorten_what_the_caller_waited() -> None:
    pen = Pen()
    pen.session(200)
    pen.ask("Hello")
    answer_after(pen, 430)
    item = pen.begin_speech()
    pen.wait(1_100)
    end = pen.now - pen.BEGUN
    pen.wait(300)  # the announcement is held up on its way
    pen.write("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=end)
    pen.commit(item, "Hm")
    answer_after(pen, 130)
    turn = [turn for turn in fold(pen.sent).turns if turn.role == "assistant"][-1]
    assert (turn.response_gap_ms, turn.perceived_gap_ms) == (130, 130 + 300 + 200)


def test_a_clock_that_jumped_gives_no_perceived_gap() -> None:
    pen = Pen()
    pen.ask("Hello")
    item = pen.begin_speech()
    pen.write("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=1)
    pen.wait(60_000)
    item = pen.begin_speech()
    pen.write("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=2)
    pen.commit(item, "Hm")
    answer_after(pen, 430)
    turn = answer_of(fold(pen.sent))
    assert (turn.response_gap_ms, turn.perceived_gap_ms) == (430, None)


@pytest.mark.parametrize("odd", [None, "9", True, -1, 10**30])
def test_without_a_position_there_is_no_perceived_gap(odd: object) -> None:
    pen = Pen()
    item = pen.begin_speech()
    pen.write("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=odd)
    pen.commit(item, "Hm")
    answer_after(pen, 430)
    turn = answer_of(fold(pen.sent))
    assert (turn.response_gap_ms, turn.perceived_gap_ms) == (430, None)


def test_old_observations_are_let_go() -> None:
    clock = BufferClock()
    assert clock.ours(5) is None
    clock.observe(1_000, 0)
    assert clock.ours(5) == 1_005
    for _ in range(8):
        clock.observe(2_000, 0)
    assert clock.ours(5) == 2_005


def test_generation_starts_with_the_first_delta_of_any_kind() -> None:
    pen = Pen()
    pen.ask("Hello")
    response = pen.begin_response()
    pen.wait(180)
    item = pen.end_item(response, pen.say(response, "Hi there", audio=False, generating_ms=100))
    pen.end_response(response, item)
    assert answer_of(fold(pen.sent)).generation_start_ms == 180 + 50
    tool = Pen()
    response = tool.begin_response()
    tool.wait(70)
    tool.end_response(response, tool.call_tool(response)[0])
    assert fold(tool.sent).turns[0].generation_start_ms == 70


def test_a_delta_of_sound_alone_starts_generation_and_changes_the_turn() -> None:
    pen = Pen()
    response = pen.begin_response()
    item = {"id": "a", "type": "message", "role": "assistant", "content": []}
    pen.write("response.output_item.added", response_id=response, item=item)
    conversation = fold(pen.sent)
    before = conversation.last_seq
    pen.wait(90)
    pen.write("response.output_audio.delta", response_id=response, item_id="a", delta="AAAA")
    fold(pen.sent[before:], before + 1, conversation)
    assert [turn.generation_start_ms for turn in conversation.changed_since(before)] == [90]


def test_a_delta_seen_before_its_response_tells_no_start() -> None:
    pen = Pen()
    pen.answer("Hi")
    created, rest = pen.sent[0], pen.sent[1:]
    assert b"response.created" in created.raw
    assert (
        answer_of(fold([*rest, type(created)(created.at + 9_000, created.raw)])).generation_start_ms is None
    )
    assert answer_of(fold(rest)).generation_start_ms is None


def test_spans_stand_at_what_the_model_said_first() -> None:
    pen = Pen()
    pen.session(200)
    pen.ask("Weather?")
    pen.wait(50)
    response = pen.begin_response()
    tool, _ = pen.call_tool(response)
    pen.wait(380)
    said = pen.end_item(response, pen.say(response, "Let me see", generating_ms=0))
    more = pen.end_item(response, pen.say(response, "Now", generating_ms=0))
    pen.end_response(response, tool, said, more)
    spans = [
        (turn.response_gap_ms, turn.perceived_gap_ms, turn.generation_start_ms)
        for turn in fold(pen.sent).turns
    ]
    assert spans == [(None, None, None), (None, None, None), (430, 630, 0), (None, None, None)]


def test_the_gap_after_a_tool_is_to_the_first_sound() -> None:
    pen = Pen()
    pen.session(200)
    pen.ask("Weather?")
    started = pen.now
    pen.tool_round("It is foggy")
    conversation = fold(pen.sent)
    tool, answer = conversation.turns[1:]
    assert (tool.role, tool.response_gap_ms) == ("tool", None)
    sounded = next(line.at for line in pen.sent if b"output_audio_buffer.started" in line.raw)
    assert answer.response_gap_ms == sounded - (started + 20)
