"""Acts as client events."""

from __future__ import annotations

from typing import Any

import pytest

from realtime import acts, client_events
from realtime.floor import Floor


def quiet() -> Floor:
    return Floor()


def speaking() -> Floor:
    floor = Floor()
    floor.active = floor.audible = "resp_1"
    return floor


def audible() -> Floor:
    floor = Floor()
    floor.audible = "resp_1"
    return floor


def types(act: dict[str, Any], floor: Floor, session: dict[str, Any] | None = None) -> list[str]:
    made = acts.as_events(act, floor, session or {})
    assert [client_events.fault(event) for event in made] == [None] * len(made)
    return [event["type"] for event in made]


@pytest.mark.parametrize(
    ("act", "floor", "made"),
    [
        ({"type": "say", "text": "Hi"}, quiet(), ["response.create"]),
        ({"type": "whisper", "text": "Hi"}, quiet(), ["conversation.item.create"]),
        ({"type": "instructions", "text": "Hi"}, quiet(), ["session.update"]),
        ({"type": "interrupt"}, quiet(), []),
        ({"type": "interrupt"}, speaking(), ["response.cancel", "output_audio_buffer.clear"]),
        ({"type": "interrupt"}, audible(), ["output_audio_buffer.clear"]),
        ({"type": "mute"}, quiet(), ["session.update"]),
        ({"type": "mute"}, speaking(), ["session.update", "response.cancel", "output_audio_buffer.clear"]),
        ({"type": "unmute"}, speaking(), ["session.update"]),
        ({"type": "response.cancel"}, quiet(), ["response.cancel"]),
    ],
)
def test_an_act_is_made_of_client_events(act: dict[str, Any], floor: Floor, made: list[str]) -> None:
    assert types(act, floor) == made


def test_muting_keeps_the_turn_detection_of_the_profile_and_unmuting_goes_back_to_it() -> None:
    session = {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}}
    detections = [
        acts.as_events({"type": kind}, quiet(), session)[0]["session"]["audio"]["input"]["turn_detection"]
        for kind in ("mute", "unmute")
    ]
    assert detections == [
        {"type": "semantic_vad", "eagerness": "low", "create_response": False},
        {"type": "semantic_vad", "eagerness": "low", "create_response": True},
    ]


def test_a_session_without_voice_detection_is_left_as_it_is() -> None:
    session = {"audio": {"input": {"turn_detection": None}}}
    assert types({"type": "mute"}, quiet(), session) == []


def told(turn_detection: dict[str, Any] | None) -> Floor:
    floor = Floor()
    floor.hear(
        {"type": "session.updated", "session": {"audio": {"input": {"turn_detection": turn_detection}}}}
    )
    return floor


def test_a_caller_who_pushes_to_talk_is_muted_without_switching_voice_detection_on() -> None:
    session = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    assert types({"type": "mute"}, told(None), session) == []
    assert types({"type": "unmute"}, told(None), session) == []


def test_a_page_that_switched_voice_detection_on_is_muted_all_the_same() -> None:
    session = {"audio": {"input": {"turn_detection": None}}}
    (update,) = acts.as_events({"type": "mute"}, told({"type": "semantic_vad", "eagerness": "low"}), session)
    wanted = {"type": "semantic_vad", "create_response": False}
    assert update["session"]["audio"]["input"]["turn_detection"] == wanted


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ({"type": "say"}, "lacks a text"),
        ({"type": "say", "text": " "}, "lacks a text"),
        ({"type": "say", "text": "x" * 8_193}, "more than 8,192"),
        ({"type": "interrupt", "text": "x"}, "does not know: text"),
    ],
)
def test_a_mistake_is_told(act: dict[str, Any], why: str) -> None:
    assert why in str(acts.fault(act))


def test_what_holds_words_is_known() -> None:
    wordless = {kind for kind in acts.ACTS | client_events.SENDABLE if not acts.holds_words({"type": kind})}
    assert {"interrupt", "mute", "hang_up", "response.cancel", "conversation.item.delete"} <= wordless
    assert not {"say", "whisper", "instructions", "session.update", "response.create"} & wordless
