"""Events become turns: both sides' words in true order, with times and outcome, from recordings and from chaos."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.fold import IDS_REMEMBERED
from realtime.turns import Conversation, Turn

Frames = list[bytes]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def fold(frames: Frames, start: int = 1, into: Conversation | None = None) -> Conversation:
    conversation = into or Conversation()
    for seq, frame in enumerate(frames, start):
        conversation.hear(seq, 1_000 * seq, "upstream", frame)
    return conversation


def shown(conversation: Conversation) -> list[dict[str, Any]]:
    return [turn.as_json() for turn in conversation.turns]


def words(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in conversation.turns]


def event(type: str, **fields: Any) -> bytes:
    return json.dumps({"type": type, **fields}).encode()


def spoken_user(item: str, previous: str | None, transcript: str) -> Frames:
    content = [{"type": "input_audio", "transcript": None}]
    item_object = {"id": item, "type": "message", "role": "user", "status": "completed", "content": content}
    transcription = "conversation.item.input_audio_transcription"
    return [
        event("input_audio_buffer.speech_started", item_id=item, audio_start_ms=0),
        event("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=900),
        event("input_audio_buffer.committed", item_id=item, previous_item_id=previous),
        event("conversation.item.added", item=item_object, previous_item_id=previous),
        event("conversation.item.done", item=item_object, previous_item_id=previous),
        event(f"{transcription}.delta", item_id=item, content_index=0, delta=transcript[:3]),
        event(f"{transcription}.delta", item_id=item, content_index=0, delta=transcript[3:]),
        event(f"{transcription}.completed", item_id=item, content_index=0, transcript=transcript,
              usage={"type": "tokens", "total_tokens": 10}),
    ]  # fmt: skip


def spoken_assistant(
    item: str, previous: str, response: str, transcript: str, status: str = "completed"
) -> Frames:
    place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    empty = {"id": item, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    content = [{"type": "output_audio", "transcript": transcript}]
    full = empty | {"status": "completed", "content": content}
    usage = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}
    done = {"id": response, "status": status, "usage": usage, "output": [full]}
    return [
        event("response.created", response={"id": response, "status": "in_progress", "usage": None}),
        event("response.output_item.added", response_id=response, item=empty),
        event("conversation.item.added", item=empty, previous_item_id=previous),
        event("response.content_part.added", **place, part={"type": "audio", "transcript": ""}),
        event("response.output_audio_transcript.delta", **place, delta=transcript[:4]),
        event("output_audio_buffer.started", response_id=response),
        event("response.output_audio_transcript.delta", **place, delta=transcript[4:]),
        event("response.output_audio_transcript.done", **place, transcript=transcript),
        event("conversation.item.done", item=full, previous_item_id=None),
        event("response.output_item.done", response_id=response, item=full),
        event("response.done", response=done),
        event("output_audio_buffer.stopped", response_id=response),
    ]


def voice_call() -> Frames:
    return [
        *spoken_user("u1", None, "Hello there"),
        *spoken_assistant("a1", "u1", "r1", "Hi, how are you?"),
        *spoken_user("u2", "a1", "Fine, thanks"),
        *spoken_assistant("a2", "u2", "r2", "Good to hear."),
    ]


CALL_WORDS = [
    ("user", "Hello there"),
    ("assistant", "Hi, how are you?"),
    ("user", "Fine, thanks"),
    ("assistant", "Good to hear."),
]


# From recordings


def test_a_recorded_text_turn_reads_as_two_turns(text_turn: Frames) -> None:
    conversation = fold(text_turn)
    assert words(conversation) == [("user", "Say hello."), ("assistant", "Hello there!")]
    user, assistant = conversation.turns
    assert (user.modality, user.transcription, user.final) == ("text", None, True)
    assert (assistant.modality, assistant.status, assistant.final) == ("text", "completed", True)
    assert assistant.usage is not None
    assert conversation.summary() == {
        "turns": 2,
        "user_turns": 1,
        "assistant_turns": 1,
        "tool_calls": 0,
        "interruptions": 0,
        "responses": {"completed": 1, "cancelled": 0, "failed": 0, "incomplete": 0},
        "response_gap_ms": None,
        "perceived_gap_ms": None,
        "usage": {
            "input_tokens": 12,
            "output_tokens": 5,
            "total_tokens": 17,
            "input": {"text": 12, "audio": 0, "image": 0, "cached": 0},
            "cached": {"text": 0, "audio": 0, "image": 0},
            "output": {"text": 5, "audio": 0},
            "transcription": {
                "tokens": 0,
                "input_tokens": 0,
                "input_text": 0,
                "input_audio": 0,
                "output_tokens": 0,
                "seconds": 0.0,
            },
            "responses": 1,
        },
        "errors": 0,
        "model": "gpt-realtime",
    }


def test_a_recorded_failed_transcription_is_told_and_the_call_runs_on(voice_turn: Frames) -> None:
    conversation = fold(voice_turn)
    user, assistant = conversation.turns
    assert (user.text, user.transcription, user.error, user.final) == (
        "",
        "failed",
        "DeploymentNotFound",
        True,
    )
    assert assistant.text == "Hi Marcelo, it's great to meet you. How can I help you today?"
    assert (assistant.modality, assistant.order) == ("audio", 1)
    assert conversation.summary()["errors"] == 1


def test_a_recorded_tool_call_is_a_turn_in_its_place(tool_round: Frames) -> None:
    conversation = fold(tool_round)
    assert words(conversation) == [
        ("user", "What is the weather in London?"),
        ("tool", ""),
        ("assistant", "It is foggy and 12 degrees in London."),
    ]
    tool = conversation.turns[1].tool
    assert tool is not None
    assert (tool["name"], tool["call_id"]) == ("get_weather", "call_I5nx0fK2YAldYQZs")
    assert json.loads(tool["arguments"]) == {"city": "London"}
    assert (tool["output"], tool["status"]) == ("It is foggy and 12 degrees in London.", "completed")
    summary = conversation.summary()
    assert (summary["turns"], summary["tool_calls"], summary["usage"]["responses"]) == (2, 1, 2)


# A voice call


def test_a_voice_call_has_words_times_and_gaps() -> None:
    conversation = fold(voice_call())
    assert words(conversation) == CALL_WORDS
    u1, a1, _, a2 = conversation.turns
    assert (u1.started_at, u1.ended_at, u1.transcription, u1.modality) == (1000, 2000, "completed", "audio")
    assert (a1.started_at, a1.ended_at, a1.response_id) == (14_000, 20_000, "r1")
    assert (a1.response_gap_ms, a2.response_gap_ms) == (12_000, 12_000)
    summary = conversation.summary()
    assert summary["response_gap_ms"] == {"p50": 12_000, "worst": 12_000, "count": 2}
    assert (summary["usage"]["total_tokens"], summary["usage"]["transcription"]["tokens"]) == (60, 20)


def test_live_words_grow() -> None:
    frames = voice_call()
    conversation = fold(frames[:6])
    (user,) = conversation.turns
    assert (user.text, user.final, user.transcription) == ("Hel", False, "pending")
    fold(frames[6:13], 7, conversation)
    assistant = conversation.turns[1]
    assert (assistant.text, assistant.final, assistant.status) == ("Hi, ", False, "in_progress")


def test_speech_alone_is_not_a_turn_yet() -> None:
    assert fold(voice_call()[:2]).turns == []


def test_a_transcription_may_come_before_its_item_or_after_the_response() -> None:
    user, assistant = spoken_user("u1", None, "Hello there"), spoken_assistant("a1", "u1", "r1", "Hi!")
    early = [user[7], *user[:7], *assistant]
    late = [*user[:5], *assistant, *user[5:]]
    for frames in (early, late):
        conversation = fold(frames)
        assert words(conversation) == [("user", "Hello there"), ("assistant", "Hi!")]
        assert conversation.turns[0].transcription == "completed"


def test_a_session_without_transcription_says_off() -> None:
    session = event("session.updated", session={"audio": {"input": {"transcription": None}}})
    conversation = fold([session, *spoken_user("u1", None, "lost")[:5]])
    assert (conversation.turns[0].transcription, conversation.turns[0].final) == ("off", True)


@pytest.mark.parametrize(
    ("status", "details", "error"),
    [
        ("cancelled", {"type": "cancelled", "reason": "turn_detected"}, None),
        ("incomplete", {"type": "incomplete", "reason": "max_output_tokens"}, "max_output_tokens"),
        ("failed", {"type": "failed", "error": {"type": "server_error", "code": None}}, "server_error"),
        ("failed", None, "failed"),
    ],
)
def test_a_response_that_ends_otherwise_says_how(
    status: str, details: dict[str, Any] | None, error: str | None
) -> None:
    said = spoken_assistant("a1", "u1", "r1", "Hi, how are you?")[:5]
    done = event(
        "response.done", response={"id": "r1", "status": status, "status_details": details, "output": []}
    )
    conversation = fold([*said, done])
    (turn,) = conversation.turns
    assert (turn.text, turn.status, turn.error, turn.final) == ("Hi, ", status, error, True)
    assert turn.reason == (details or {}).get("reason")
    assert conversation.summary()["errors"] == (1 if status == "failed" else 0)


def test_order_comes_from_predecessors_and_not_from_arrival() -> None:
    user, assistant = spoken_user("u1", None, "first"), spoken_assistant("a1", "u1", "r1", "second")
    assert words(fold([*assistant, *user])) == [("user", "first"), ("assistant", "second")]


def test_a_deleted_item_vanishes_and_its_followers_stay() -> None:
    conversation = fold([*voice_call(), event("conversation.item.deleted", item_id="a1")])
    assert words(conversation) == [CALL_WORDS[0], CALL_WORDS[2], CALL_WORDS[3]]
    assert [turn.order for turn in conversation.turns] == [0, 1, 2]
    assert len(conversation.changed_since(conversation.last_seq - 1)) == 3


def test_root_is_the_front() -> None:
    item = {
        "id": "s1",
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "Be kind."}],
    }
    conversation = fold([*voice_call(), event("conversation.item.added", item=item, previous_item_id="root")])
    assert words(conversation)[0] == ("system", "Be kind.")


def test_typing_forgets_an_unanswered_silence() -> None:
    typed = {
        "id": "t1",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hello?"}],
    }
    frames = [
        *spoken_user("u1", None, "Hm"),
        event("conversation.item.added", item=typed, previous_item_id="u1"),
        *spoken_assistant("a1", "t1", "r1", "Yes!"),
    ]
    assert fold(frames).summary()["response_gap_ms"] is None


def test_a_response_begun_before_the_silence_does_not_answer_it() -> None:
    early, late = spoken_assistant("a1", "u0", "r1", "One"), spoken_assistant("a2", "u1", "r2", "Two")
    frames = [*early[:5], *spoken_user("u1", "a1", "Hm"), *early[5:], *late]
    assert [turn.response_gap_ms for turn in fold(frames).turns if turn.role == "assistant"] == [None, 19_000]


def test_halves_of_a_character_in_two_deltas_are_joined() -> None:
    place = {"response_id": "r", "item_id": "a"}
    halves = [event("response.output_text.delta", **place, delta=half) for half in ("\ud83d", "\ude00")]
    assert fold(halves).turns[0].text == "😀"
    fold(halves[:1]).turns[0].text.encode()


def test_a_transcription_that_comes_twice_is_billed_once() -> None:
    frames = spoken_user("u1", None, "Hello there")
    assert fold([*frames, frames[-1]]).summary() == fold(frames).summary()


def test_a_lesser_source_never_overwrites_the_last_word() -> None:
    older = {"type": "audio", "transcript": "Older words"}
    late = event("response.content_part.done", response_id="r1", item_id="a1", content_index=0, part=older)
    assert words(fold([*spoken_assistant("a1", "u1", "r1", "Newer"), late])) == [("assistant", "Newer")]


def test_only_the_upstream_is_heard_and_nothing_twice() -> None:
    conversation = Conversation()
    frame = event("error", event_id="e1", error={})
    conversation.hear(1, 0, "operator", frame)
    assert (conversation.summary()["errors"], conversation.last_seq) == (0, 1)
    for seq in (2, 2, 1, 3):
        conversation.hear(seq, 0, "upstream", frame)
    assert (conversation.summary()["errors"], conversation.last_seq) == (1, 3)


# Whatever comes


def merged(before: list[Turn], changed: list[Turn], after: list[Turn]) -> list[dict[str, Any]]:
    """What a page that keeps turns by id would show, once what vanished is gone."""
    kept = {turn.item_id: turn for turn in [*before, *changed]}
    alive = {turn.item_id for turn in after}
    return [kept[i].as_json() for i in sorted(alive, key=lambda i: kept[i].order)]


def assert_resumable(frames: Frames, cuts: range | list[int]) -> None:
    whole = fold(frames)
    for cut in cuts:
        resumed = fold(frames[:cut])
        before, _ = resumed.turns, resumed.summary()
        fold(frames[cut:], cut + 1, resumed)
        assert shown(resumed) == shown(whole)
        assert resumed.summary() == whole.summary()
        assert merged(before, resumed.changed_since(cut), resumed.turns) == shown(whole)


def test_a_resumed_fold_equals_the_whole_at_every_cut(
    text_turn: Frames, voice_turn: Frames, tool_round: Frames
) -> None:
    for frames in (text_turn, voice_turn, tool_round, voice_call()):
        assert_resumable(frames, range(len(frames) + 1))


@given(st.randoms(use_true_random=False), st.integers(0, 60))
def test_any_shuffled_doubled_or_cut_call_folds_and_resumes(chance: random.Random, cut: int) -> None:
    frames = voice_call()
    frames += chance.sample(frames, chance.randrange(5))
    frames += [event("conversation.item.deleted", item_id=chance.choice(["u1", "a1", "nobody"]))]
    chance.shuffle(frames)
    assert_resumable(frames, [min(cut, len(frames))])


@given(st.randoms(use_true_random=False))
def test_a_shuffled_call_still_says_the_same_in_the_same_order(chance: random.Random) -> None:
    frames = voice_call()
    chance.shuffle(frames)
    conversation = fold(frames)
    assert words(conversation) == CALL_WORDS
    assert conversation.summary()["usage"] == fold(voice_call()).summary()["usage"]


def test_doubled_frames_count_once(text_turn: Frames, voice_turn: Frames) -> None:
    for frames in (text_turn, voice_turn):
        doubled = [frame for frame in frames for _ in range(2)]
        assert words(fold(doubled)) == words(fold(frames))
        assert fold(doubled).summary() == fold(frames).summary()


@given(st.lists(JSON.map(lambda value: json.dumps(value).encode()) | st.binary()))
def test_any_json_at_all_is_heard(frames: Frames) -> None:
    fold(frames).summary()


def mutate(value: Any, chance: random.Random, odd: list[Any]) -> Any:
    if chance.random() < 0.06:
        return chance.choice(odd)
    if isinstance(value, dict):
        return {
            k: v if k == "type" and chance.random() < 0.9 else mutate(v, chance, odd)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [mutate(part, chance, odd) for part in value]
    return value


@given(chance=st.randoms(use_true_random=False), odd=st.lists(JSON, min_size=1, max_size=5))
def test_a_mutated_recording_folds_and_resumes(chance: random.Random, odd: list[Any]) -> None:
    ids: list[Any] = ["u1", "a1", "a2", "r1", "root", "user", "assistant", "function_call", "", -1, 10**30]
    frames = [json.dumps(mutate(json.loads(frame), chance, odd + ids)).encode() for frame in voice_call()]
    chance.shuffle(frames)
    assert_resumable(frames, [chance.randrange(len(frames))])


def test_a_hundred_thousand_events_fold() -> None:
    frames: Frames = []
    previous: str | None = None
    for n in range(100_000 // 20):
        frames += spoken_user(f"u{n}", previous, "Hello there")
        frames += spoken_assistant(f"a{n}", f"u{n}", f"r{n}", "Hi, how are you?")
        previous = f"a{n}"
    conversation = fold(frames)
    assert conversation.summary()["turns"] == 10_000
    assert conversation.turns[-1].order == 9_999


def test_an_event_that_comes_twice_counts_once_and_a_long_call_forgets_the_oldest() -> None:
    place = {"response_id": "r", "item_id": "a"}
    conversation = Conversation()
    deltas = [
        event("response.output_text.delta", **place, delta="x", event_id=f"e{n}")
        for n in range(2 * IDS_REMEMBERED)
    ]
    fold(deltas, into=conversation)
    fold(deltas[-IDS_REMEMBERED:], into=conversation)
    assert conversation.turns[0].text == "x" * len(deltas)
