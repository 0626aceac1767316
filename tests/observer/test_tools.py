"""Tools on real calls: run once, answered in any case, and the model goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from call_log import tool_runs
from realtime import tool_calls
from tests.observer.scenes import OFFER
from tests.observer.test_commands import SILENT
from tests.processes import Emulator, House, until

NAMES = ("weather", "order", "hang", "hang_on", "fail", "leave", "flood", "binary", "odd")


def profiles(more: str = "") -> str:
    module = "tests.observer.operators_tools"
    tables = [
        '[default]\nmodel = "gpt-realtime"\ntranscription = false',
        *(f'[default.tools.{name}]\nkind = "python"\nfunction = "{module}:{name}"' for name in NAMES),
        f'[default.tools.refund]\nkind = "python"\nfunction = "{module}:refund"\nconfirm = true',
        '[default.tools.ask]\nkind = "operator"\ndescription = "Ask a person."',
        'parameters = {type = "object", properties = {question = {type = "string"}}, additionalProperties = false}',
        "[default.tools.soon]",
        'kind = "operator"\ndescription = "Ask a person, soon."\nparameters = {type = "object"}\ntimeout = 0.2',
    ]
    text = "\n".join(tables)
    return text.replace(':hang"', ':hang"\ntimeout = 0.3') + more


class Talk:
    """One observed call on which a person writes and the model calls what it is told."""

    def __init__(self, house: House, far_end: Emulator, **query: str) -> None:
        self.house, self.far_end = house, far_end
        self.call_id = house.connect(OFFER, **query).headers["X-Call-Id"]
        self.upstream = house.observed(self.call_id)["upstream_call_id"]

    def ask(self, words: str, *calls: tuple[str, Any]) -> None:
        """Somebody writes once the model has said what it was asked for and what follows from a tool's output; the
        model answers with these calls. A line that comes before would stand before that answer, as if it were
        answered."""
        until(self._is_quiet, "the end of what the model says")
        script = {words: [{"name": name, "arguments": arguments} for name, arguments in calls]}
        self.far_end_script(script)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
        for event in ({"type": "conversation.item.create", "item": item}, {"type": "response.create"}):
            answer = self.house.command(self.call_id, event)
            assert answer.status_code == 202, answer.text

    def _is_quiet(self) -> bool:
        # What is done is read first: where no more was asked for by then, nothing has begun between the two looks.
        done = self.house.events(self.call_id, type="response.done")
        asked = self.house.events(self.call_id, type="response.create")
        to_speak_of = [one for one in done if tool_calls.announced(one["event"]) is not None]
        by_tools = [one for one in asked if one["source"] == "tool"]
        return len(asked) == len(done) and len(by_tools) >= len(to_speak_of)

    def far_end_script(self, tools: dict[str, Any]) -> None:
        said = {"tools": tools, "call_id": self.upstream}
        assert requests.post(f"{self.far_end.url}/emulator/script", json=said, timeout=5).ok

    def outputs(self, number: int = 1) -> list[Any]:
        """What the model was told, once it is so much: JSON where it is some."""
        items = until(
            lambda: len(found := self.sent("conversation.item.create")) >= number and found,
            f"{number} outputs",
        )
        return [_read(one["event"]["item"]["output"]) for one in items]

    def sent(self, type: str) -> list[dict[str, Any]]:
        return self.house.events(self.call_id, source="tool", type=type)

    def spoken(self) -> None:
        """Wait until the model has gone on by itself, once."""
        until(lambda: self.sent("response.create"), "the next response's request")
        (asked,) = self.sent("response.create")
        assert self.house.settled(self.call_id, asked["event"]["event_id"])["state"] == "confirmed"

    def runs(self) -> list[dict[str, Any]]:
        return list(self.house.call(self.call_id)["tools"])

    def settled(self, name: str) -> list[dict[str, Any]]:
        """This tool's runs once none is open. One is settled after its output went out."""
        return until(
            lambda: (
                (found := [one for one in self.runs() if one["name"] == name])
                and not any(one["state"] in tool_runs.OPEN for one in found)
                and found
            ),
            f"the end of {name}",
        )

    def run_in(self, state: str) -> dict[str, Any]:
        return until(
            lambda: next((one for one in self.runs() if one["state"] == state), None), f"a run {state}"
        )


def _read(output: str) -> Any:
    try:
        return json.loads(output)
    except ValueError:
        return output


def ledger(house: House) -> list[dict[str, Any]]:
    file = Path(house.environ["HOME"]) / "ledger"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator.start(tmp_path_factory.mktemp("far_end"), *SILENT)
    yield running
    running.process.stop()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, far_end: Emulator) -> Iterator[House]:
    file = tmp_path_factory.mktemp("tools") / "profiles.toml"
    file.write_text(profiles())
    built = House.build(file.parent, far_end.url, SWITCHBOARD_PROFILES=str(file)).start()
    yield built
    built.stop()


@pytest.fixture
def house(built: House) -> House:
    """With an empty ledger; each test has its own call."""
    (Path(built.environ["HOME"]) / "ledger").unlink(missing_ok=True)
    return built


def test_a_tool_runs_once_and_the_model_speaks_of_its_result(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    talk.ask("Is it warm in Paris?", ("weather", {"city": "Paris"}))
    assert talk.outputs() == [{"city": "Paris", "degrees": 11, "unit": "c"}]
    talk.spoken()
    assert ledger(house) == [{"name": "weather", "city": "Paris"}]
    run = talk.run_in("answered")
    assert (run["name"], run["code"], run["by"]) == ("weather", None, None)
    order = [one["type"] for one in far_end.call(talk.upstream)["client_events"]][-2:]
    assert order == ["conversation.item.create", "response.create"]


def test_two_tools_of_one_response_have_one_response_after_them(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    talk.ask("Both, please.", ("weather", {"city": "Oslo"}), ("order", {"order_id": 7}))
    outputs = talk.outputs(2)
    assert {"city": "Oslo", "degrees": 11, "unit": "c"} in outputs
    assert "Order 7 of loopback is on its way." in outputs
    talk.spoken()
    order = [one["type"] for one in far_end.call(talk.upstream)["client_events"]][-3:]
    assert order == ["conversation.item.create", "conversation.item.create", "response.create"]


ABUSES = {
    "arguments of another type": ("weather", {"city": 7}, "wrong"),
    "arguments that are too long": ("weather", {"city": "x" * 41}, "wrong"),
    "arguments beyond any size": ("weather", {"city": "x" * 40_000}, "wrong"),
    "arguments that nobody asked for": ("weather", {"city": "Rome", "admin": True}, "wrong"),
    "arguments that are no JSON": ("weather", '{"city": "Rome"', "wrong"),
    "arguments that are no object": ("weather", '["Rome"]', "wrong"),
    "arguments with a number that is none": ("order", '{"order_id": NaN}', "wrong"),
    "another caller's identity": ("order", {"order_id": 1, "context": {"caller": "somebody else"}}, "wrong"),
    "a failure": ("fail", {}, "failed"),
    "an exit": ("leave", {}, "failed"),
    "a result without end": ("flood", {}, "more than"),
    "a result that is no text": ("binary", {}, "can't be passed on"),
    "a result that JSON can't say": ("odd", {}, "can't be passed on"),
    "a tool that hangs": ("hang", {}, "in time"),
    "an operator who is away": ("soon", {}, "no human operator"),
}


def test_every_abuse_ends_in_a_refusal_and_the_call_goes_on(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    for number, (abuse, (name, arguments, words)) in enumerate(ABUSES.items(), 1):
        talk.ask(f"Abuse number {number}", (name, arguments))
        told = talk.outputs(number)[-1]
        assert words in told["error"], abuse
    assert [one["name"] for one in ledger(house)] == ["hang"]
    assert house.call(talk.call_id)["state"] == "observed"
    logs = house.logs()
    assert "words of the caller" not in logs


def test_a_tool_that_the_page_made_up_is_refused(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    made_up = {"type": "function", "name": "rm_rf", "description": "x", "parameters": {"type": "object"}}
    update = {"type": "session.update", "session": {"tools": [made_up]}}
    command_id = house.command(talk.call_id, update).json()["command_id"]
    assert house.settled(talk.call_id, command_id)["state"] == "confirmed"
    talk.ask("Do it.", ("rm_rf", {"path": "/"}))
    assert "no tool of this name" in talk.outputs()[0]["error"]
    assert talk.run_in("refused")["code"] == "unknown_tool"


def decide(talk: Talk, kind: str, **more: str) -> dict[str, Any]:
    waiting = talk.run_in("waiting")
    asked = {"type": kind, "function_call_id": waiting["function_call_id"], **more}
    answer = talk.house.command(talk.call_id, asked)
    assert answer.status_code == 202, answer.text
    return talk.house.settled(talk.call_id, answer.json()["command_id"])


def test_an_operator_approves(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    talk.ask("My money back!", ("refund", {"order_id": 3}))
    assert ledger(house) == []
    assert decide(talk, "approve")["state"] == "confirmed"
    assert talk.outputs() == ["refunded"]
    run = talk.run_in("answered")
    assert run["by"] == "loopback"
    talk.spoken()
    assert ledger(house) == [{"name": "refund", "order_id": 3}]
    again = house.command(talk.call_id, {"type": "approve", "function_call_id": run["function_call_id"]})
    settled = house.settled(talk.call_id, again.json()["command_id"])
    assert (settled["state"], settled["code"]) == ("refused", "not_waiting")
    assert "approve" not in [one["type"] for one in far_end.call(talk.upstream)["client_events"]]


def test_an_operator_denies(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    talk.ask("My money back!", ("refund", {"order_id": 3}))
    assert decide(talk, "deny")["state"] == "confirmed"
    assert "did not allow" in talk.outputs()[0]["error"]
    assert talk.run_in("refused")["code"] == "denied"
    assert ledger(house) == []


def test_an_operator_answers_in_words(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    talk.ask("Can I bring my dog?", ("ask", {"question": "May a dog come?"}))
    assert decide(talk, "approve", text="Yes, on a leash.")["state"] == "confirmed"
    assert talk.outputs() == ["Yes, on a leash."]
    talk.spoken()


def test_a_tool_whose_observer_dies_is_not_run_again(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    talk.ask("Hang!", ("hang_on", {}))
    until(lambda: ledger(house), "the run")
    house.observers.pop().stop(signal.SIGKILL)
    house.start_observer()
    assert "outcome is unknown" in talk.outputs()[0]["error"]
    talk.spoken()
    assert talk.run_in("unknown")["code"] == "holder_changed"
    assert ledger(house) == [{"name": "hang_on"}]


def test_who_waits_for_an_operator_waits_with_the_next_holder_too(house: House, far_end: Emulator) -> None:
    talk = Talk(house, far_end)
    talk.ask("My money back!", ("refund", {"order_id": 3}))
    talk.run_in("waiting")
    house.observers.pop().stop(signal.SIGKILL)
    house.start_observer()
    assert decide(talk, "approve")["state"] == "confirmed"
    assert talk.outputs() == ["refunded"]
    assert ledger(house) == [{"name": "refund", "order_id": 3}]


def test_a_profile_with_tools_gives_no_token(house: House) -> None:
    refused = house.get("/token")
    assert (refused.status_code, refused.json()["code"]) == (403, "needs_connect")
