"""Limits of real calls: who is told in time, what ends them, and that no kill of the observer lets one run on."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.observer.scenes import OFFER
from tests.observer.test_commands import SILENT, asked, sent
from tests.player import Attach, Player, Scenario
from tests.processes import Emulator, House, until

WRAP_UP = "Say goodbye now."
PROFILES = """
[default]
model = "gpt-realtime"
transcription = "gpt-4o-transcribe"
""" + "".join(
    f"""
[{name}]
model = "gpt-realtime"
transcription = "gpt-4o-transcribe"
[{name}.limits]
wrap_up_instructions = "{WRAP_UP}"
{limits}
"""
    for name, limits in {
        "brief": "duration = 3\nwrap_up = 0.3",
        "lasting": "duration = 6",
        "silent": "idle = 2",
        "cheap": "spend = 0.01\nwrap_up = 0.01",
        "daily": "spend_per_day = 0.002",
        "terse": "turns = 2\nwrap_up = 0.5",
        "clumsy": "tool_calls = 1\nwrap_up = 1",
        "ample": "duration = 600\nidle = 600\nspend = 1\nspend_per_day = 1\nturns = 20\ntool_calls = 20",
    }.items()
)


@pytest.fixture(scope="module")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An upstream whose calls say nothing by themselves, and do what they are asked."""
    running = Emulator.start(tmp_path_factory.mktemp("far_end"), *SILENT)
    yield running
    running.process.stop()


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory, far_end: Emulator) -> Iterator[House]:
    built = build(tmp_path_factory.mktemp("bounded"), far_end).start()
    yield built
    built.stop()


def build(folder: Path, far_end: Emulator) -> House:
    (folder / "profiles.toml").write_text(PROFILES)
    return House.build(folder, far_end.url, SWITCHBOARD_PROFILES=str(folder / "profiles.toml"))


@pytest.fixture
def fresh(tmp_path: Path, far_end: Emulator) -> Iterator[House]:
    """A house whose callers have spent nothing today."""
    built = build(tmp_path, far_end).start()
    yield built
    built.stop()


def opened(house: House, profile: str) -> str:
    answer = house.connect(OFFER, profile=profile)
    assert answer.status_code == 201, answer.text
    call_id = answer.headers["X-Call-Id"]
    house.observed(call_id)
    return call_id


def say(house: House, call_id: str, text: str = "Hello.") -> None:
    command_id = asked(house, call_id, {"type": "say", "text": text})
    assert house.settled(call_id, command_id)["state"] in ("confirmed", "unknown")


def is_over(house: House, far_end: Emulator, call_id: str, reason: str) -> dict[str, Any]:
    """The call once it ended for that reason, and by our hang-up."""
    call = house.ended(call_id)
    assert call["end"] == {"reason": reason, "certainty": "stated"}
    assert far_end.call(call["upstream_call_id"])["ended_by"] == "hangup"
    return call


def notes(house: House, call_id: str, type: str) -> list[dict[str, Any]]:
    return [line["event"] for line in house.events(call_id, type=f"observer.{type}")]


def wrap_ups(house: House, far_end: Emulator, call_id: str) -> list[str]:
    """The ids of the requests to wrap up that reached the upstream."""
    return [event_id for _, event_id in sent(house, far_end, call_id) if event_id.startswith("wrap_up_")]


def test_a_call_ends_at_its_duration_and_the_model_is_asked_to_say_goodbye_before(
    bounded: House, far_end: Emulator
) -> None:
    call_id = opened(bounded, "brief")
    call = is_over(bounded, far_end, call_id, "policy_duration")
    truth = far_end.call(call["upstream_call_id"])
    assert truth["ended_at"] - truth["answered_at"] >= 2_900, "not before its time"
    assert wrap_ups(bounded, far_end, call_id) == ["wrap_up_duration"]
    (item,) = bounded.events(call_id, source="observer", type="conversation.item.create")
    assert item["event"]["item"]["role"] == "system" and WRAP_UP in json.dumps(item)
    assert not [kind for kind, _ in sent(bounded, far_end, call_id) if kind == "response.create"]
    (near,) = notes(bounded, call_id, "limit_near")
    (reached,) = notes(bounded, call_id, "limit_reached")
    assert (near["limit"], near["cap"], near["used"] < 3) == ("duration", 3, True)
    assert (reached["limit"], reached["used"] >= 3) == ("duration", True)
    (asked_by,) = bounded.get(f"/calls/{call_id}/commands").json()["commands"]
    assert (asked_by["by"], asked_by["state"]) == ("limits", "confirmed")


def test_a_call_on_which_nobody_speaks_ends_and_who_speaks_puts_it_off(
    bounded: House, far_end: Emulator
) -> None:
    call_id = opened(bounded, "silent")
    say(bounded, call_id)
    is_over(bounded, far_end, call_id, "policy_idle")
    lines = bounded.events(call_id)
    done = next(line for line in lines if line["type"] == "response.done")
    reached = next(line for line in lines if line["type"] == "observer.limit_reached")
    assert reached["seq"] > done["seq"] and reached["event"]["used"] >= 2
    assert notes(bounded, call_id, "limit_near") == []
    assert wrap_ups(bounded, far_end, call_id) == []


def test_a_call_ends_with_the_response_that_used_its_money_up(bounded: House, far_end: Emulator) -> None:
    call_id = opened(bounded, "cheap")
    while bounded.call(call_id)["state"] == "observed":
        answer = bounded.command(call_id, {"type": "say", "text": "A sentence that costs something."})
        if answer.status_code == 409:
            break
        bounded.settled(call_id, answer.json()["command_id"])
    call = is_over(bounded, far_end, call_id, "policy_spend")
    assert float(call["summary"]["cost"]["usd"]) >= 0.01
    assert wrap_ups(bounded, far_end, call_id) == ["wrap_up_spend"]
    lines = bounded.events(call_id)
    reached = next(line for line in lines if line["type"] == "observer.limit_reached")
    after = [x for x in lines if x["type"] == "response.done" and x["seq"] > reached["seq"]]
    assert len(after) <= 1


def test_the_turn_after_the_last_one_ends_the_call(bounded: House, far_end: Emulator) -> None:
    call_id = opened(bounded, "terse")
    for _ in range(2):
        say(bounded, call_id)
    until(lambda: bounded.call(call_id)["summary"]["turns"] >= 2, "two turns")
    assert bounded.call(call_id)["state"] == "observed"
    asked(bounded, call_id, {"type": "say", "text": "One too many."})
    is_over(bounded, far_end, call_id, "policy_turns")
    assert wrap_ups(bounded, far_end, call_id) == ["wrap_up_turns"]


def test_the_tool_call_after_the_last_one_ends_the_call(bounded: House, far_end: Emulator) -> None:
    call_id = opened(bounded, "clumsy")
    for number in (1, 2):
        assert bounded.call(call_id)["state"] == "observed"
        item = {"type": "function_call", "call_id": f"c{number}", "name": "look", "arguments": "{}"}
        command_id = asked(bounded, call_id, {"type": "conversation.item.create", "item": item})
        bounded.settled(call_id, command_id)
    is_over(bounded, far_end, call_id, "policy_tools")


def test_a_day_is_used_up_by_all_calls_of_the_caller_and_then_no_other_is_opened(
    fresh: House, far_end: Emulator
) -> None:
    bounded = fresh
    running, other = opened(bounded, "daily"), opened(bounded, "default")
    while bounded.call(running)["state"] == "observed":
        say(bounded, other, "A sentence that costs something, on a call that has no limit itself.")
    is_over(bounded, far_end, running, "policy_spend")
    (reached,) = notes(bounded, running, "limit_reached")
    assert (reached["limit"], reached["used"] >= 2_000) == ("spend_per_day", True)
    refused = bounded.connect(OFFER, profile="daily")
    assert (refused.status_code, refused.json()["code"]) == (429, "spend_limit")
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    assert bounded.call(other)["state"] == "observed"
    bounded.hang_up(other)


def test_the_next_holder_keeps_what_a_killed_one_began(bounded: House, far_end: Emulator) -> None:
    lasting, terse = opened(bounded, "lasting"), opened(bounded, "terse")
    say(bounded, terse)
    until(lambda: wrap_ups(bounded, far_end, terse), "the request to wrap up")
    victim = bounded.observers.pop()
    victim.stop(signal.SIGKILL)
    bounded.start_observer()
    until(lambda: notes(bounded, terse, "attached")[1:], "the next holder")
    for _ in range(2):
        bounded.command(terse, {"type": "say", "text": "Go on."})
    is_over(bounded, far_end, terse, "policy_turns")
    assert wrap_ups(bounded, far_end, terse) == ["wrap_up_turns"], "asked once, whoever holds the call"
    assert len(notes(bounded, terse, "limit_near")) == 1
    call = is_over(bounded, far_end, lasting, "policy_duration")
    truth = far_end.call(call["upstream_call_id"])
    assert truth["ended_at"] - truth["answered_at"] >= 5_900


def test_a_hang_up_that_a_killed_holder_began_is_carried_out_and_keeps_its_reason(tmp_path: Path) -> None:
    player = Player()
    scenario = player.expect(Scenario(attaches=[Attach(), Attach()], hangups=[503] * 1_000))
    (tmp_path / "profiles.toml").write_text(PROFILES)
    house = House.build(tmp_path, player.url, SWITCHBOARD_PROFILES=str(tmp_path / "profiles.toml")).start()
    call_id = opened(house, "brief")
    until(lambda: notes(house, call_id, "hang_up"), "the note of the hang-up")
    house.observers.pop().stop(signal.SIGKILL)
    scenario.hangups.clear()
    house.start_observer()
    assert house.ended(call_id)["end"] == {"reason": "policy_duration", "certainty": "stated"}
    assert scenario.hung_up and len(notes(house, call_id, "limit_reached")) == 1
    house.stop()
    player.close()
