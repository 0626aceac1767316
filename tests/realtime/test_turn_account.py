"""Which items and responses are the caller's, the model's or ours, and which nobody accounts for."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.client_events import TAG
from realtime.session_account import leaves_of
from realtime.tamper_rules import TamperRules
from realtime.turn_account import GRACE_SECONDS, ItemAccount, ResponseAccount, Trespass

SESSION: dict[str, Any] = {
    "output_modalities": ["audio"],
    "max_output_tokens": "inf",
    "tools": [{"type": "function", "name": "pay"}, {"type": "mcp", "server_label": "docs"}],
    "audio": {
        "input": {"turn_detection": {"type": "server_vad", "create_response": True}},
        "output": {"voice": "marin"},
    },
}
TALK_PAGE = TamperRules().page_may
NOTHING: frozenset[str] = frozenset()


class Scene:
    """Both accounts of one call, as the watch keeps them."""

    def __init__(self, page_may: frozenset[str] = TALK_PAGE, **session: Any) -> None:
        self.session = leaves_of(SESSION | session)
        self.responses = ResponseAccount(page_may)
        self.items = ItemAccount(page_may, self.responses.turn)
        self.now = 0.0

    def hears(self, type: str, **members: Any) -> list[Trespass]:
        event = {"type": type, **members}
        self.items.made(members.get("response", {}))
        return self.items.hear(event, self.session, self.now) + self.responses.hear(event, self.session)

    def added(self, item_id: str, **item: Any) -> list[Trespass]:
        return self.hears("conversation.item.added", item={"id": item_id, "type": "message", **item})

    def created(self, response_id: str = "r1", **response: Any) -> list[Trespass]:
        told = {"id": response_id, "conversation_id": "conv_1", "metadata": None, **response}
        return self.hears("response.created", response=told)

    def speaks(self, item_id: str) -> list[Trespass]:
        return [
            *self.hears("input_audio_buffer.speech_started", item_id=item_id),
            *self.hears("input_audio_buffer.committed", item_id=item_id),
            *self.added(item_id, role="user"),
        ]

    def passes(self) -> list[Trespass]:
        self.now += GRACE_SECONDS
        return self.items.due(self.now)


@pytest.mark.parametrize("page_may", [TALK_PAGE, NOTHING])
def test_a_spoken_turn_and_its_answer_are_accounted_for(page_may: frozenset[str]) -> None:
    scene = Scene(page_may)
    assert scene.speaks("u1") == [] and scene.created() == []
    assert scene.hears("response.output_item.added", item={"id": "a1"}) == []
    assert scene.added("a1", role="assistant") == []
    done = {"id": "r1", "output": [{"id": "a1"}, {"id": "f1", "type": "function_call", "name": "pay"}]}
    assert scene.hears("response.done", response=done) == [] and scene.passes() == []


def test_events_that_overtook_each_other_are_waited_for() -> None:
    scene = Scene(NOTHING)
    assert scene.added("a1", role="assistant") == [] and scene.items.is_doubtful
    scene.hears("response.output_item.added", item={"id": "a1"})
    assert not scene.items.is_doubtful and scene.passes() == []


@pytest.mark.parametrize(
    "item",
    [
        {"role": "system"},
        {"type": "function_call_output", "call_id": "call_1"},
        {"type": "mcp_approval_response"},
        {"type": "mcp_list_tools", "server_label": "mine"},
    ],
)
def test_what_only_a_client_creates_and_we_did_not_is_forged(item: dict[str, Any]) -> None:
    member = item.get("role") or item["type"]
    assert Scene().added("x", **item) == [Trespass("item", member, "x")]


@pytest.mark.parametrize(
    "item", [{"role": "assistant"}, {"type": "function_call", "name": "pay"}, {"type": "mcp_call"}]
)
def test_what_the_model_makes_and_no_response_made_is_forged(item: dict[str, Any]) -> None:
    scene = Scene()
    assert scene.added("x", **item) == []
    assert scene.passes() == [Trespass("item", item.get("role") or item["type"], "x")]
    assert scene.passes() == []


def test_what_we_created_is_ours_once() -> None:
    scene = Scene()
    scene.items.sent({"type": "conversation.item.create", "item": {"id": "w1"}})
    assert scene.added("w1", role="system") == []
    assert scene.hears("conversation.item.deleted", item_id="w1") == [Trespass("deletion", "item", "w1")]
    assert scene.added("w1", role="system") == [Trespass("item", "system", "w1")]
    scene.items.sent({"type": "conversation.item.delete", "item_id": "w1"})
    assert scene.hears("conversation.item.deleted", item_id="w1") == []


def test_a_server_of_the_session_lists_its_tools() -> None:
    assert Scene().added("l1", type="mcp_list_tools", server_label="docs") == []


def test_the_betas_second_announcement_is_no_second_item() -> None:
    scene = Scene()
    forged = {"id": "x", "type": "message", "role": "system"}
    assert len(scene.hears("conversation.item.added", item=forged)) == 1
    assert scene.hears("conversation.item.created", item=forged) == []


def test_who_may_type_may_have_each_thing_answered_once() -> None:
    scene = Scene()
    assert scene.added("u1", role="user") == [] and scene.created() == []
    assert scene.created("r2") == [Trespass("response", "cause", "r2")]


def test_who_may_not_type_may_not() -> None:
    scene = Scene(NOTHING)
    assert scene.added("u1", role="user") == []
    assert scene.created() == [Trespass("response", "cause", "r1")]
    assert scene.passes() == [Trespass("item", "user", "u1")]


def test_a_turn_that_was_ended_by_hand_calls_for_an_answer_where_that_is_allowed() -> None:
    for page_may, found in ((TALK_PAGE, 0), (NOTHING, 1)):
        scene = Scene(page_may)
        scene.hears("input_audio_buffer.committed", item_id="u1")
        assert len(scene.created()) == found


def test_voice_detection_that_answers_nothing_calls_for_no_answer() -> None:
    scene = Scene(NOTHING, audio={"input": {"turn_detection": {"create_response": False}}})
    scene.speaks("u1")
    assert scene.created() == [Trespass("response", "cause", "r1")]


def test_silence_for_too_long_calls_for_an_answer() -> None:
    scene = Scene(NOTHING)
    scene.hears("input_audio_buffer.timeout_triggered", item_id="u1")
    scene.hears("input_audio_buffer.committed", item_id="u1")
    assert scene.created() == []


def test_tools_may_be_answered_by_a_page_that_may() -> None:
    scene = Scene(frozenset({"answer_tools"}))
    assert scene.added("o1", type="function_call_output") == [] and scene.created() == []


def test_our_command_accounts_for_one_response_and_its_tag_for_no_other() -> None:
    scene = Scene(NOTHING)
    scene.responses.sent(
        {"type": "response.create", "event_id": "cmd_1", "response": {"metadata": {TAG: "cmd_1"}}}
    )
    tagged: dict[str, Any] = {"metadata": {TAG: "cmd_1"}, "max_output_tokens": 7}
    assert scene.created(**tagged) == []
    assert {one.member for one in scene.created("r2", **tagged)} == {"metadata", "cause", "max_output_tokens"}


def test_our_command_without_room_for_a_tag_accounts_for_one_response_too() -> None:
    scene = Scene(NOTHING)
    full: dict[str, Any] = {"metadata": {str(n): "x" for n in range(16)}}
    scene.responses.sent({"type": "response.create", "event_id": "cmd_1", "response": full})
    assert scene.created(**full) == []
    assert len(scene.created("r2")) == 1


def test_after_a_gap_one_response_may_come_for_what_was_missed() -> None:
    scene = Scene(NOTHING)
    scene.responses.gap()
    assert [len(scene.created(one)) for one in ("r1", "r2")] == [0, 1]


@pytest.mark.parametrize(
    ("response", "member"),
    [
        ({"output_modalities": ["text"]}, "output_modalities"),
        ({"max_output_tokens": 10}, "max_output_tokens"),
        ({"audio": {"output": {"voice": "ash"}}}, "audio.output.voice"),
        ({"metadata": {"mine": "1"}}, "metadata"),
        ({"conversation_id": None}, "conversation"),
    ],
)
def test_a_response_that_shows_whose_it_is_is_told_by_that(response: dict[str, Any], member: str) -> None:
    scene = Scene(NOTHING)
    scene.speaks("u1")
    assert [one.member for one in scene.created(**response)] == [member]


def test_tools_that_a_response_was_given_show_when_it_calls_one() -> None:
    scene = Scene()
    scene.speaks("u1")
    assert scene.created() == []
    done = {"id": "r1", "output": [{"id": "f", "type": "function_call", "name": "transfer"}]}
    assert scene.hears("response.done", response=done) == [Trespass("response", "tools", "r1")]


def test_ids_without_end_are_not_remembered_without_end() -> None:
    scene = Scene()
    for n in range(20_000):
        scene.items.hear({"type": "input_audio_buffer.speech_started", "item_id": f"u{n}"}, scene.session, 0)
    assert len(vars(scene.items)["_spoken"]._ids) == 10_000
