"""Items keep the order that the client asked for, and bad ones are refused by name."""

import random
from typing import Any

import pytest

from realtime_emulator.conversation import Conversation, Item, read_item
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.refusals import Mistake

IDS = Identifiers(random.Random(1))


def user(text: str, item_id: str | None = None) -> Item:
    content = [{"type": "input_text", "text": text}]
    return read_item({"type": "message", "role": "user", "content": content, "id": item_id}, IDS)


@pytest.fixture
def conversation() -> Conversation:
    made = Conversation("conv_x")
    made.insert(user("one", "a"))
    made.insert(user("two", "b"))
    return made


def order(conversation: Conversation) -> list[str]:
    return [item.id for item in conversation]


def test_an_item_goes_to_the_end_to_the_front_or_behind_another(conversation: Conversation) -> None:
    assert conversation.insert(user("x", "end")) == "b"
    assert conversation.insert(user("x", "front"), "root") is None
    assert conversation.insert(user("x", "between"), "a") == "a"
    assert order(conversation) == ["front", "a", "between", "b", "end"]


@pytest.mark.parametrize("after", ["nobody", 3, ["a"]])
def test_an_unknown_predecessor_is_refused(conversation: Conversation, after: object) -> None:
    with pytest.raises(Mistake) as mistake:
        conversation.insert(user("x"), after)
    assert mistake.value.param == "previous_item_id"
    assert order(conversation) == ["a", "b"]


def test_an_id_is_taken_once(conversation: Conversation) -> None:
    with pytest.raises(Mistake, match="already exists"):
        conversation.insert(user("x", "a"))


def test_a_deleted_item_is_gone(conversation: Conversation) -> None:
    conversation.delete("a")
    assert order(conversation) == ["b"]
    with pytest.raises(Mistake):
        conversation.find("a")


def test_a_truncated_answer_loses_its_words(conversation: Conversation) -> None:
    content = [{"type": "output_audio", "transcript": "Hello there!"}]
    conversation.insert(Item({"id": "c", "role": "assistant", "content": content}, "Hello there!", 1000))
    conversation.truncate("c", 0, 400)
    item = conversation.find("c")
    assert (item.words, item.audio_ms, item.body["content"]) == ("", 400, [{"type": "output_audio"}])


@pytest.mark.parametrize(
    ("item_id", "index", "end"), [("a", 0, 0), ("z", 0, 0), ("c", 1, 0), ("c", 0, 2000), ("c", 0, "1")]
)
def test_what_cannot_be_truncated_is_refused(
    conversation: Conversation, item_id: str, index: int, end: object
) -> None:
    content = [{"type": "output_audio", "transcript": "Hello"}]
    conversation.insert(Item({"id": "c", "role": "assistant", "content": content}, "Hello", 1000))
    with pytest.raises(Mistake):
        conversation.truncate(item_id, index, end)
    assert conversation.find("c").audio_ms == 1000


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (None, "item"),
        ("text", "item"),
        ({}, "item.type"),
        ({"type": "message", "content": []}, "item.role"),
        ({"type": "message", "role": "user"}, "item.content"),
        ({"type": "message", "role": "robot", "content": []}, "item.role"),
        ({"type": "message", "role": "user", "content": "hi"}, "item.content"),
        ({"type": "message", "role": "user", "content": ["hi"]}, "item.content"),
        (
            {"type": "message", "role": "user", "content": [{"type": "text", "text": "hi"}]},
            "item.content[0].type",
        ),
        ({"type": "message", "role": "user", "content": [{"type": "input_text"}]}, "item.content[0].text"),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": 1}]},
            "item.content[0].text",
        ),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "input_text", "text": "x"}]},
            "item.content[0].type",
        ),
        ({"type": "function_call_output", "call_id": "c"}, "item.output"),
        ({"type": "function_call_output", "call_id": "c", "output": {"a": 1}}, "item.output"),
        ({"type": "function_call", "arguments": "{}"}, "item.name"),
    ],
)
def test_a_bad_item_is_refused_by_name(item: Any, param: str) -> None:
    with pytest.raises(Mistake) as mistake:
        read_item(item, IDS)
    assert mistake.value.param == param


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_audio", "transcript": "Hello."}],
        },
        {"type": "function_call_output", "call_id": "call_x", "output": '{"degrees": 21}'},
        {"type": "function_call", "call_id": "call_x", "name": "weather", "arguments": "{}"},
    ],
)
def test_history_can_be_seeded(item: dict[str, Any]) -> None:
    body = read_item(item, IDS).as_json()
    assert body.get("status") == (None if item["type"] == "function_call_output" else "completed")
    assert body["id"].startswith("item_")
    assert {key: body[key] for key in item} == item
