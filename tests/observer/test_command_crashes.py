"""The holder dies around a command: it has at most one effect, and what is said of it is true."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import update

from call_log.events import EventRow
from call_log.schema import commands
from call_log.store import Store
from observer.commands import Pending, _ours, _recalled
from tests.crash_points import OBSERVER
from tests.observer.scenes import OFFER, SPEECH
from tests.observer.test_commands import SILENT, sent
from tests.page import Page
from tests.player import Attach, Player, Scenario
from tests.processes import Emulator, House, Process, until

WHISPER = {"type": "whisper", "text": "Be kind.", "event_id": "mine"}
SAY = {"type": "say", "text": "Hello.", "event_id": "mine"}
INSTRUCTIONS = {"type": "instructions", "text": "Be brief.", "event_id": "mine"}
MUTE = {"type": "mute", "event_id": "mine"}
INTERRUPT = {"type": "interrupt", "event_id": "mine"}
WORDS_KEPT = 'recording = "preferred"'
WORDS_LOST = ['recording = "metadata"', 'redact.patterns = ["kind"]']
DELETE = {"type": "conversation.item.delete", "item_id": "item_of_nobody", "event_id": "mine"}


@pytest.fixture(scope="module")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator.start(tmp_path_factory.mktemp("far_end"), *SILENT)
    yield running
    running.process.stop()


@pytest.fixture
def lone_web(tmp_path: Path, far_end: Emulator, store_of_house: dict[str, str]) -> Iterator[House]:
    """A web with no observer yet."""
    built = House.build(tmp_path / "house", far_end.url, **store_of_house)
    built.start_web()
    yield built
    built.stop()


def whose_holder_died(house: House, point: str, asked: dict[str, Any], hears: str | None = None) -> str:
    """The id of a new call, whose holder was killed at this point of this command; the command was asked for once the
    holder had heard an event of the type `hears`."""
    dying = house.start_observer("-c", SHORT_ANSWERS + OBSERVER.format(name=point))
    house.ready()
    call_id = str(house.connect(OFFER).headers["X-Call-Id"])
    house.observed(call_id)
    if hears is not None:
        until(lambda: house.events(call_id, type=hears), hears)
    assert house.command(call_id, asked).status_code == 202
    killed(house, dying)
    return call_id


def killed(house: House, dying: Process) -> None:
    """Wait for it; nobody has to stop it any more."""
    assert dying.child.wait(20) == -signal.SIGKILL, dying.said()[-2000:]
    house.observers.remove(dying)


def start_heir(house: House, patience: str) -> None:
    """The next observer; `patience`: for an answer, as `answered_within` has it."""
    house.start_observer("-c", patience + "from observer.__main__ import main; main()")


@pytest.mark.parametrize("store_of_house", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("point", "asked", "effects", "states"),
    [
        ("a command is taken", WHISPER, 1, {"confirmed": None}),
        ("a command is taken", SAY, 1, {"confirmed": None}),
        ("a command's sending is written", WHISPER, 1, {"confirmed": None}),
        ("a command's sending is written", INSTRUCTIONS, 0, {"unknown": "holder_changed"}),
        ("a command's sending is written", SAY, 0, {"unknown": "holder_changed"}),
        ("a command's sending is written", INTERRUPT, 0, {"confirmed": "nothing_to_do"}),
        ("a command is sent", WHISPER, 1, {"confirmed": None}),
        ("a command is sent", INSTRUCTIONS, 1, {"confirmed": None}),
        ("a command is sent", SAY, 1, {"confirmed": None, "unknown": "holder_changed"}),
        ("a command is answered", WHISPER, 1, {"confirmed": None}),
    ],
)
def test_the_holder_may_die_at_any_point_of_a_command(
    lone_web: House,
    far_end: Emulator,
    point: str,
    asked: dict[str, Any],
    effects: int,
    states: dict[str, str | None],
) -> None:
    house = lone_web
    call_id = whose_holder_died(house, point, asked)
    start_heir(house, SHORT_ANSWERS)

    settled = house.settled(call_id, "mine")
    assert settled["state"] in states and settled["code"] == states[settled["state"]]
    reached = [event_id for _, event_id in sent(house, far_end, call_id) if event_id == "mine"]
    assert len(reached) == effects
    house.hang_up(call_id)
    house.ended(call_id)


def test_the_steps_of_a_command_are_found_whose_id_has_a_dot() -> None:
    command = _ours(1, "mine.1", INTERRUPT, "me", 0)
    types = {
        "mine.1": "response.cancel",
        "mine.1.2": "output_audio_buffer.clear",
        "mine.2": "response.cancel",
    }
    said = [
        EventRow(1, 0, 0, "operator", type, event_id, json.dumps({"type": type}).encode(), False)
        for event_id, type in types.items()
    ]
    left = _recalled(command, said, is_whole=True)
    assert isinstance(left, Pending) and list(left.steps) == ["mine.1", "mine.1.2"]


def test_an_item_that_comes_late_after_all_is_not_said_to_have_had_no_effect(
    web_of_player: House, player: Player
) -> None:
    """The upstream does not know it when it is asked; then the dead holder's bytes arrive before the second ones."""
    house = web_of_player
    scenario = player.expect(Scenario([Attach(frames=[SPEECH]), Attach()]))
    call_id = whose_holder_died(house, "a command's sending is written", WHISPER)
    house.start_observer()
    for heard, code in (("ask_mine", "item_not_found"), ("mine", "already_there")):
        until(lambda heard=heard: f'"{heard}"' in "".join(scenario.heard), heard)  # type: ignore[misc]
        error = {"type": "invalid_request_error", "code": code, "event_id": heard}
        player.say(scenario, json.dumps({"type": "error", "event_id": f"e_{heard}", "error": error}))
    settled = house.settled(call_id, "mine")
    assert (settled["state"], settled["code"]) == ("unknown", "already_there")
    house.hang_up(call_id)
    house.ended(call_id)


def test_what_another_may_have_done_does_not_confirm_an_interruption_that_a_dead_holder_may_not_have_sent(
    web_of_player: House, player: Player
) -> None:
    house = web_of_player
    speaks = {"type": "response.created", "event_id": "c1", "response": {"id": "resp_1"}}
    scenario = player.expect(Scenario([Attach(frames=[json.dumps(speaks)]), Attach(frames=[SPEECH])]))
    call_id = whose_holder_died(house, "a command's sending is written", INTERRUPT, "response.created")
    start_heir(house, SHORT_ANSWERS)
    until(lambda: len(scenario.dialled) == 2 and scenario.sockets, "the second observer")
    for said in (
        {"type": "response.done", "response": {"id": "resp_1", "status": "cancelled", "output": []}},
        {"type": "output_audio_buffer.cleared", "response_id": "resp_1"},
    ):  # whoever asked for it: the page may have
        player.say(scenario, json.dumps(said | {"event_id": f"e_{said['type']}"}))
    settled = house.settled(call_id, "mine")
    assert (settled["state"], settled["code"]) == ("unknown", "holder_changed")
    assert "response.cancel" not in "".join(scenario.heard)
    house.hang_up(call_id)
    house.ended(call_id)


@pytest.fixture
def unanswered(web_of_player: House, player: Player) -> tuple[str, Scenario]:
    """A call whose holder died once it had sent new instructions, of which the upstream says nothing; and its
    upstream."""
    scenario = player.expect(Scenario([Attach(frames=[SPEECH]), Attach(frames=[SPEECH])]))
    return whose_holder_died(web_of_player, "a command is sent", INSTRUCTIONS), scenario


STOPS = """
import os, signal
from observer import commands
from observer.__main__ import main
commit = commands.Commands._commit_to
async def stopped(self, pending):
    state = await commit(self, pending)
    os.kill(os.getpid(), signal.SIGSTOP)
    return state
commands.Commands._commit_to = stopped
main()
"""


def test_a_holder_that_was_paused_before_a_commands_bytes_left_does_not_send_them(
    web_of_player: House, player: Player
) -> None:
    """Its call is another's when it wakes."""
    house = web_of_player
    scenario = player.expect(Scenario([Attach(frames=[SPEECH]), Attach(frames=[SPEECH])]))
    paused = house.start_observer("-c", STOPS)
    house.ready()
    call_id = str(house.connect(OFFER).headers["X-Call-Id"])
    house.observed(call_id)
    start_heir(house, SHORT_ANSWERS)
    assert house.command(call_id, INSTRUCTIONS).status_code == 202
    until(lambda: len(scenario.dialled) == 2, "the next holder")
    paused.child.send_signal(signal.SIGCONT)
    until(lambda: "call_lost_to_another_node" in paused.said(), "its insight")
    settled = house.settled(call_id, "mine")
    assert (settled["state"], settled["code"]) == ("unknown", "holder_changed")
    assert '"event_id": "mine"' not in "".join(scenario.heard)
    house.hang_up(call_id)
    house.ended(call_id)


def test_nobody_waits_to_speak_for_what_would_not_go_out_once_more_in_any_case(
    web_of_player: House, unanswered: tuple[str, Scenario]
) -> None:
    house, (call_id, scenario) = web_of_player, unanswered
    start_heir(house, LONG_ANSWERS)
    until(lambda: '"ask_mine"' in "".join(scenario.heard), "the question")
    assert house.command(call_id, SAY | {"event_id": "speaks"}).status_code == 202
    until(lambda: '"speaks"' in "".join(scenario.heard), "the word")
    assert [one["state"] for one in house.call(call_id)["commands"]] == ["sent", "sent"]
    house.hang_up(call_id)
    house.ended(call_id)


def test_an_answer_is_not_waited_for_anew_by_each_heir(
    web_of_player: House, unanswered: tuple[str, Scenario]
) -> None:
    house, (call_id, _) = web_of_player, unanswered
    with contextlib.closing(Store(house.environ["DATABASE_URL"])) as store, store.writing() as db:
        db.execute(update(commands).values(sent_at=commands.c.sent_at - 3_600_000))
    start_heir(house, LONG_ANSWERS)
    settled = house.settled(call_id, "mine")
    assert (settled["state"], settled["code"]) == ("unknown", "holder_changed")
    house.hang_up(call_id)
    house.ended(call_id)


@pytest.fixture(params=WORDS_LOST)
def web_without_words(tmp_path: Path, far_end: Emulator, request: pytest.FixtureRequest) -> Iterator[House]:
    """No observer yet; the log of its calls keeps no word, or not each, and each only after a while."""
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'[default]\nmodel = "gpt-realtime"\ntranscription = false\n{request.param}\n')
    built = House.build(tmp_path / "house", far_end.url, SWITCHBOARD_PROFILES=str(profiles))
    built.start_web()
    yield built
    built.stop()


@pytest.mark.parametrize(
    ("point", "asked", "state", "code"),
    [
        ("a command's sending is written", INTERRUPT, "confirmed", "nothing_to_do"),
        ("a command's sending is written", DELETE, "unknown", "holder_changed"),
        ("a command's sending is written", MUTE, "unknown", "holder_changed"),
        ("a command is sent", DELETE, "unknown", "holder_changed"),
    ],
)
def test_the_heir_of_a_call_whose_log_has_no_words_says_what_is_true(
    web_without_words: House,
    far_end: Emulator,
    point: str,
    asked: dict[str, Any],
    state: str,
    code: str | None,
) -> None:
    house = web_without_words
    call_id = whose_holder_died(house, point, asked)
    start_heir(house, SHORT_ANSWERS)
    settled = house.settled(call_id, "mine")
    assert (settled["state"], settled["code"]) == (state, code)
    reached = [event_id for _, event_id in sent(house, far_end, call_id) if event_id == "mine"]
    assert len(reached) == (1 if point == "a command is sent" else 0)
    assert "KeyError" not in house.logs()
    house.hang_up(call_id)
    house.ended(call_id)


TOOLS = """
[default]
model = "gpt-realtime"
transcription = false
{words}
[default.tools.refund]
kind = "python"
function = "tests.observer.operators_tools:refund"
"""


@pytest.fixture(params=[*WORDS_LOST, WORDS_KEPT])
def words(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def web_with_a_tool(tmp_path: Path, emulator: Emulator, words: str) -> Iterator[House]:
    """No observer yet; its calls have media, and a page that speaks for itself."""
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(TOOLS.format(words=words))
    built = House.build(tmp_path / "house", emulator.url, SWITCHBOARD_PROFILES=str(profiles))
    built.start_web()
    yield built
    built.stop()


def test_a_tools_output_that_its_observer_did_not_send_goes_out_before_the_model_speaks_of_it(
    web_with_a_tool: House, emulator: Emulator, words: str
) -> None:
    """A log without words has none of the output either: the model is told that the outcome is unknown."""
    house = web_with_a_tool
    dying = house.start_observer("-c", SHORT_ANSWERS + OBSERVER.format(name="a command's sending is written"))
    house.ready()
    script = {"tools": {"My money!": {"name": "refund", "arguments": {"order_id": 7}}}}
    assert requests.post(f"{emulator.url}/emulator/script", json=script, timeout=5).ok
    with Page(house, "default") as page:
        page.types("My money!")
        killed(house, dying)
        house.start_observer()
        until(
            lambda: house.events(page.call_id, source="tool", type="response.create"),
            "the next response's request",
        )
        upstream = house.call(page.call_id)["upstream_call_id"]
        ours = {event["event"]["event_id"] for event in house.events(page.call_id, source="tool")}
        heard = until(lambda: len(all := of_us(emulator, upstream, ours)) == 2 and all, "what came of us")
        assert heard == ["conversation.item.create", "response.create"]
        told = until(lambda: outputs(page.heard), "the output, as the page hears of it")
        assert told[0] == "refunded" if words == WORDS_KEPT else "outcome is unknown" in told[0]


def outputs(heard: list[dict[str, Any]]) -> list[str]:
    """What tools said, as the upstream announced it."""
    items = [one["item"] for one in heard if one["type"] == "conversation.item.added"]
    return [one["output"] for one in items if one["type"] == "function_call_output"]


def of_us(emulator: Emulator, upstream_call_id: str, ids: set[str]) -> list[str]:
    """The types of these client events, as they reached the upstream."""
    heard = emulator.call(upstream_call_id)["client_events"]
    return [one["type"] for one in heard if one["event_id"] in ids]


def answered_within(seconds: float) -> str:
    """Begins the code of an observer that waits so long for an answer, where the real one waits ten seconds."""
    return (
        "from observer.limits import Limits; "
        f"Limits.__init__.__defaults__ = tuple({seconds} if name == 'answered' else default for name, default in "
        "zip(Limits.__dataclass_fields__, Limits.__init__.__defaults__)); "
    )


SHORT_ANSWERS, LONG_ANSWERS = answered_within(2.0), answered_within(3600.0)
