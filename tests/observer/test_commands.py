"""Commands on real calls: what reaches the upstream, in which order, and what the record says of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.test_tool_call import attach
from tests.observer.scenes import OFFER
from tests.processes import Emulator, House

SILENT = ("--events-only", "--events-per-second", "0.001")


@pytest.fixture(scope="module")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An upstream whose calls say nothing by themselves, and do what they are asked."""
    running = Emulator.start(tmp_path_factory.mktemp("far_end"), *SILENT)
    yield running
    running.process.stop()


@pytest.fixture(scope="module")
def switchboard(tmp_path_factory: pytest.TempPathFactory, far_end: Emulator) -> Iterator[House]:
    built = House.build(tmp_path_factory.mktemp("commanded"), far_end.url).start()
    yield built
    built.stop()


@pytest.fixture
def call_id(switchboard: House) -> Iterator[str]:
    """A call that is observed."""
    opened = switchboard.connect(OFFER).headers["X-Call-Id"]
    switchboard.observed(opened)
    yield opened
    switchboard.hang_up(opened)


def sent(house: House, far_end: Emulator, call_id: str) -> list[tuple[str, str]]:
    """What truly reached the upstream: types and ids of the client events."""
    upstream_call_id = house.call(call_id)["upstream_call_id"]
    return [(one["type"], one["event_id"]) for one in far_end.call(upstream_call_id)["client_events"]]


def asked(house: House, call_id: str, asked: dict[str, Any]) -> str:
    answer = house.command(call_id, asked)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["command_id"])


def test_a_client_event_is_sent_as_it_is_and_confirmed_by_its_answer(
    switchboard: House, far_end: Emulator, call_id: str
) -> None:
    item = {
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "Mind the step."}],
    }
    command_id = asked(switchboard, call_id, {"type": "conversation.item.create", "item": item})
    settled = switchboard.settled(call_id, command_id)
    assert (settled["state"], settled["code"], settled["by"]) == ("confirmed", None, "loopback")
    assert sent(switchboard, far_end, call_id) == [("conversation.item.create", command_id)]
    (line,) = switchboard.events(call_id, source="operator")
    assert line["type"] == "conversation.item.create" and line["event"]["event_id"] == command_id
    assert line["event"]["item"]["content"] == item["content"]
    (noted,) = switchboard.events(call_id, type="observer.command")
    assert noted["event"]["command_id"] == command_id and noted["event"]["state"] == "confirmed"


def test_what_the_upstream_refuses_is_refused_with_its_code(switchboard: House, call_id: str) -> None:
    command_id = asked(
        switchboard, call_id, {"type": "conversation.item.delete", "item_id": "item_of_nobody"}
    )
    settled = switchboard.settled(call_id, command_id)
    assert (settled["state"], settled["code"]) == ("refused", "item_not_found")


def test_the_model_says_what_it_is_told_one_thing_after_the_other(
    switchboard: House, far_end: Emulator, call_id: str
) -> None:
    ids = [asked(switchboard, call_id, {"type": "say", "text": f"Sentence {n}."}) for n in range(5)]
    assert [switchboard.settled(call_id, one)["state"] for one in ids] == ["confirmed"] * 5
    assert sent(switchboard, far_end, call_id) == [("response.create", one) for one in ids]
    assert switchboard.events(call_id, type="error") == []


def test_the_same_command_again_has_one_effect_and_one_answer(
    switchboard: House, far_end: Emulator, call_id: str
) -> None:
    whisper = {"type": "whisper", "text": "Offer a discount.", "event_id": "mine-1"}
    answers = [switchboard.command(call_id, whisper) for _ in range(4)]
    assert {answer.status_code for answer in answers} == {202}
    assert switchboard.settled(call_id, "mine-1")["state"] == "confirmed"
    assert switchboard.command(call_id, whisper).json() == {"command_id": "mine-1", "state": "confirmed"}
    assert sent(switchboard, far_end, call_id) == [("conversation.item.create", "mine-1")]
    other = switchboard.command(call_id, whisper | {"text": "Offer nothing."})
    assert (other.status_code, other.json()["code"]) == (422, "id_reused")


def test_an_interruption_of_silence_is_confirmed_and_nothing_is_sent(
    switchboard: House, far_end: Emulator, call_id: str
) -> None:
    settled = switchboard.settled(call_id, asked(switchboard, call_id, {"type": "interrupt"}))
    assert (settled["state"], settled["code"]) == ("confirmed", "nothing_to_do")
    assert sent(switchboard, far_end, call_id) == []


def test_a_muted_model_says_nothing_until_it_is_unmuted(
    switchboard: House, far_end: Emulator, call_id: str
) -> None:
    muted = asked(switchboard, call_id, {"type": "mute"})
    assert switchboard.settled(call_id, muted)["state"] == "confirmed"
    waiting = asked(switchboard, call_id, {"type": "say", "text": "Hello?"})
    unmuted = asked(switchboard, call_id, {"type": "unmute"})
    assert switchboard.settled(call_id, unmuted)["state"] == "confirmed"
    assert switchboard.settled(call_id, waiting)["state"] == "confirmed"
    order = [event_id for _, event_id in sent(switchboard, far_end, call_id)]
    assert order == [muted, unmuted, waiting]


def test_new_instructions_are_confirmed_by_the_session(switchboard: House, call_id: str) -> None:
    command_id = asked(switchboard, call_id, {"type": "instructions", "text": "Speak like a pirate."})
    assert switchboard.settled(call_id, command_id)["state"] == "confirmed"
    (updated,) = switchboard.events(call_id, type="session.updated")
    assert updated["event"]["session"]["instructions"] == "Speak like a pirate."


def test_hanging_up_is_a_command_too(switchboard: House, call_id: str) -> None:
    command_id = asked(switchboard, call_id, {"type": "hang_up"})
    assert switchboard.ended(call_id)["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
    assert switchboard.settled(call_id, command_id)["state"] == "confirmed"
    late = switchboard.command(call_id, {"type": "interrupt"})
    assert (late.status_code, late.json()["code"]) == (409, "call_ended")


def test_who_is_beaten_to_it_speaks_next(switchboard: House, far_end: Emulator, call_id: str) -> None:
    """Somebody else asks for responses at the same moments, as voice detection does."""
    with attach(far_end, switchboard.call(call_id)["upstream_call_id"]) as rival:
        ids = []
        for n in range(10):
            rival.send(json.dumps({"type": "response.create", "event_id": f"rival_{n}"}))
            ids.append(asked(switchboard, call_id, {"type": "say", "text": f"Sentence {n}."}))
    assert [switchboard.settled(call_id, one)["state"] for one in ids] == ["confirmed"] * 10
    spoken = [
        event["event"]["response"]["metadata"]["switchboard_command"]
        for event in switchboard.events(call_id, type="response.created")
        if event["event"]["response"]["metadata"]
    ]
    assert spoken == ids


def test_a_command_waits_for_the_line_that_was_lost(
    switchboard: House, far_end: Emulator, call_id: str
) -> None:
    far_end.arm("drop the sideband", times=1, ms=0, code=1011)
    command_id = asked(switchboard, call_id, {"type": "whisper", "text": "Are you there?"})
    assert switchboard.settled(call_id, command_id)["state"] == "confirmed"
    assert [event_id for _, event_id in sent(switchboard, far_end, call_id)].count(command_id) == 1
    far_end.disarm()
