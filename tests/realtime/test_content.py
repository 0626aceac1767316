"""What is structure and what is content, held to the recordings and to every event of the official SDK's types."""

from __future__ import annotations

import itertools
import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel

from realtime.content import encoded, is_piece, redacted, unreadable, without_content
from realtime.turns import Conversation
from tests.realtime.conftest import WIRE, Frames
from tests.realtime.pen import Pen

RECORDINGS = sorted(
    path.name for path in Path(WIRE).glob("*.json") if "frames" in json.loads(path.read_text())
)
NAMES = {
    "type", "event_id", "id", "object", "item_id", "previous_item_id", "response_id", "call_id", "conversation_id",
    "name", "server_label", "role", "status", "reason", "code", "model", "voice", "language", "tool_choice",
    "truncation", "eagerness", "output_modalities", "max_output_tokens",
}  # fmt: skip


def server_events() -> list[type[BaseModel]]:
    union = typing.get_args(RealtimeServerEvent)[0]
    return list(typing.get_args(union))


def made(kind: Any, words: Iterator[int], depth: int) -> list[Any]:
    """Values of every shape that a type allows, each text of them a word of its own."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return made(inner[0], words, depth)
    if origin in (typing.Union, types.UnionType):
        return [value for one in inner for value in made(one, words, depth)]
    if origin is typing.Literal:
        return [inner[0]]
    if origin is list:
        return [made(inner[0], words, depth)]
    if origin is dict or kind is object:
        return [{f"word{next(words)}": f"word{next(words)}"}]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [filled(kind, words, depth + 1)] if depth < 8 else []
    plain: dict[Any, Any] = {str: f"word{next(words)}", int: 7, float: 0.5, bool: True}
    return [plain.get(kind)]


def filled(model: type[BaseModel], words: Iterator[int], depth: int = 0, choice: int = 0) -> dict[str, Any]:
    """An event with every member that the type knows; of several shapes one that is not null."""
    said: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        shapes = [value for value in made(field.annotation, words, depth) if value is not None]
        said[field.alias or name] = shapes[choice % len(shapes)] if shapes else None
    return said


def variants(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The event with each of the shapes that a member may have: an item may be a message, a call, an output."""
    return [filled(model, itertools.count(1), choice=choice) for choice in range(12)]


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text with the name of the member that it stands in; a member of no name of ours as itself."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, key)
    elif isinstance(value, str):
        yield key, value


def shaped(value: Any) -> Any:
    """The value without its texts and its lists' lengths: what must stay the same when words are replaced."""
    if isinstance(value, dict):
        return {key: shaped(one) for key, one in value.items()}
    return type(value).__name__ if isinstance(value, (str, list)) else value


@pytest.mark.parametrize("model", server_events(), ids=lambda model: model.__name__)
def test_without_content_an_event_of_the_sdk_keeps_names_alone(model: type[BaseModel]) -> None:
    for event in variants(model):
        kept = without_content(event)

        assert {key for key, _ in texts(kept)} <= NAMES
        assert kept["type"] == event["type"] and kept.get("event_id") == event.get("event_id")


@pytest.mark.parametrize("model", server_events(), ids=lambda model: model.__name__)
def test_redacted_an_event_of_the_sdk_keeps_its_shape_and_no_text_but_names(model: type[BaseModel]) -> None:
    for event in variants(model):
        kept = redacted(event, "upstream", lambda text: "gone")

        assert {key for key, text in texts(kept) if text not in ("gone", "")} <= NAMES
        assert shaped(kept) == shaped(event)


@pytest.mark.parametrize("name", RECORDINGS)
def test_no_recorded_word_stays(name: str) -> None:
    received = [
        f["event"] for f in json.loads((WIRE / name).read_text())["frames"] if f["direction"] == "received"
    ]
    for event in received:
        assert {key for key, _ in texts(without_content(event))} <= NAMES
        gone = redacted(event, "upstream", lambda text: "gone")
        assert {key for key, text in texts(gone) if text not in ("gone", "")} <= NAMES
        assert shaped(gone) == shaped(event)
        assert json.loads(encoded(gone)) == gone


@pytest.mark.parametrize(
    "event",
    [
        {"type": "x.new", "words": "secret", "item": {"words": "secret", "secret": 1, "content": ["secret"]}},
        {"type": "x", "item": "secret", "response": ["secret"], "usage": {"secret": 1}, "content_index": "secret one"},
        {"type": "x", "item_id": "two words that are secret", "error": {"message": "secret", "param": "secret"}},
        {"type": "conversation.item.added", "item": {"type": "function_call_output", "output": "secret"}},
        {"type": "conversation.item.added", "item": {"content": [{"type": "input_text", "text": "secret"}, "secret"]}},
        {"type": "input_audio_buffer.dtmf_event_received", "event": "secret"},
        {"type": "session.updated", "session": {"prompt": {"id": "secret"}, "tools": [{"headers": {"a": "secret"}}]}},
    ],
)  # fmt: skip
def test_what_is_not_known_is_content(event: dict[str, Any]) -> None:
    assert "secret" not in json.dumps(without_content(event))


def test_a_number_that_could_spell_a_text_is_none() -> None:
    assert without_content({"type": "x", "content_index": int.from_bytes(b"secret words")}) == {"type": "x"}
    assert without_content({"type": "x", "audio_end_ms": float("nan")}) == {"type": "x"}


def test_of_a_report_only_what_the_talk_page_says_is_structure() -> None:
    said = {
        "type": "browser.stats",
        "kind": "stats",
        "rtt_ms": 12.5,
        "state": "open",
        "note": "secret",
        "secret": 1,
    }
    kept = {"type": "browser.stats", "kind": "stats", "rtt_ms": 12.5, "state": "open"}
    assert without_content(said, "browser") == kept


def test_of_our_own_notes_short_names_and_numbers_are_structure() -> None:
    note = {"type": "observer.gap", "cause": "detached", "from_at": 1, "until_at": None, "said": "two words"}
    assert without_content(note, "observer") == {k: v for k, v in note.items() if k != "said"}
    assert "raw" not in without_content({"type": "observer.odd", "raw": "c2VjcmV0" * 9}, "observer")


def test_of_what_we_send_the_id_stays_by_which_its_answer_is_known() -> None:
    item = {
        "id": "item_1",
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "Anna"}],
    }
    sent = {"type": "conversation.item.create", "event_id": "cmd_1", "item": item}
    kept = {key: value for key, value in item.items() if key != "content"}
    assert without_content(sent, "operator") == sent | {"item": kept}
    assert without_content(sent | {"item": "Anna Berg"}, "tool") == {
        "type": sent["type"],
        "event_id": "cmd_1",
    }
    hidden = redacted(sent, "operator", lambda text: "***")
    assert hidden["item"] == kept | {"content": [{"type": "***", "text": "***"}]}


def test_names_are_left_as_they_are_and_everything_else_is_replaced() -> None:
    event = {
        "type": "response.function_call_arguments.done", "item_id": "item_1", "name": "find_person",
        "arguments": '{"name": "Anna"}', "unknown": ["Anna", {"Anna": "Anna"}], "content_index": 0,
        "previous_item_id": "Anna !",
    }  # fmt: skip

    kept = redacted(event, "upstream", lambda text: text.replace("Anna", "[redacted]"))

    assert kept == event | {
        "arguments": '{"name": "[redacted]"}',
        "unknown": ["[redacted]", {"Anna": "[redacted]"}],
        "previous_item_id": "[redacted] !",
    }


def test_a_name_behind_the_escapes_of_json_within_a_text_is_found() -> None:
    event = {"type": "conversation.item.done", "item": {"output": json.dumps({"name": "Müller"})}}
    kept = redacted(event, "upstream", lambda text: text.replace("Müller", "[redacted]"))
    assert kept["item"]["output"] == '{"name": "[redacted]"}'


def test_pieces_sound_and_images_are_emptied() -> None:
    content = [
        {"type": "input_audio", "audio": "UklGR", "transcript": "a"},
        {"type": "input_image", "image_url": "data:x"},
    ]
    event = {
        "type": "x",
        "delta": "Ann",
        "logprobs": [{"token": "Ann", "bytes": [65]}],
        "item": {"content": content},
    }

    kept = redacted(event, "upstream", str.upper)

    assert kept["delta"] == "" and kept["logprobs"] == []
    assert [part.get("audio", part.get("image_url")) for part in kept["item"]["content"]] == ["", ""]
    assert kept["item"]["content"][0]["transcript"] == "A"


def test_pieces_are_known_by_their_type() -> None:
    assert is_piece("response.output_text.delta")
    assert is_piece("conversation.item.input_audio_transcription.segment")
    assert not is_piece("response.output_text.done")


def test_what_no_json_can_say_is_written_all_the_same() -> None:
    kept = redacted({"type": "x", "a": float("inf"), "b": "\ud800"}, "upstream", lambda text: text)
    assert json.loads(encoded(kept)) == {"type": "x", "a": None, "b": "\ud800"}
    assert json.loads(encoded(unreadable(3))) == {"type": "unreadable", "bytes": 3}


def numbers(frames: Frames) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A conversation's summary, and its turns without their words."""
    conversation = Conversation()
    for seq, raw in enumerate(frames, 1):
        conversation.hear(seq, 1_000 * seq, "upstream", raw)
    turns = [turn.as_json() for turn in conversation.turns]
    for turn in turns:
        for words in ("text", "heard", "unheard", "error"):
            turn.pop(words)
        turn["tool"] = turn["tool"] and {
            key: turn["tool"][key] for key in ("name", "status", "started_at", "ended_at")
        }
    return conversation.summary(), turns


@pytest.mark.parametrize("recording", ["text_turn", "voice_turn", "tool_round"])
def test_the_numbers_of_a_recording_need_no_words(recording: str, request: pytest.FixtureRequest) -> None:
    frames = request.getfixturevalue(recording)
    assert numbers([encoded(without_content(json.loads(raw))) for raw in frames]) == numbers(frames)


def test_the_numbers_of_a_conversation_need_no_words() -> None:
    pen = Pen()
    pen.session()
    pen.ask("what is the capital of France")
    pen.answer("It is Paris and has been for long")
    pen.answer_interrupted("Once upon a time there was", by="stop it", done_before=True, truncated=True)
    pen.type("go on")
    pen.answer("and so on", audio=False)
    frames = [sent.raw for sent in pen.sent]

    stripped = [encoded(without_content(json.loads(raw))) for raw in frames]

    assert numbers(stripped) == numbers(frames)
    assert not any(b"Paris" in raw or b"capital" in raw or b"go on" in raw for raw in stripped)
