"""A call in which the model calls a tool: the application's server answers, and the call's page shows both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect
from websockets.sync.client import ClientConnection, connect

from tests.journeys.test_first_call import PATIENCE_MS, watch
from tests.processes import ROOT, Emulator, House, until

ASKED = "What is the weather in London?"
ARGUMENTS = {"city": "London", "days": 2}
OUTPUT = {"sky": "foggy", "degrees": 11, "wind": {"from": "south-west", "km_h": 14}}
REPLY = "London is foggy, at eleven degrees."
WEATHER = """
[weather]
model = "gpt-realtime"
transcription = false
[[weather.session.tools]]
type = "function"
name = "get_weather"
description = "The weather of the next days in a city."
parameters = { type = "object", properties = { city = { type = "string" }, days = { type = "integer" } } }
"""


@pytest.fixture(scope="module")
def forecasting(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[House]:
    """A house with a profile whose model may ask for the weather."""
    folder = tmp_path_factory.mktemp("forecasting")
    (folder / "profiles.toml").write_text((ROOT / "profiles.toml").read_text() + WEATHER)
    built = House.build(folder, emulator.url, SWITCHBOARD_PROFILES=str(folder / "profiles.toml")).start()
    yield built
    built.stop()


def attach(emulator: Emulator, upstream_call_id: str) -> ClientConnection:
    """The application's server on the call: a second sideband, beside the observer's."""
    address = f"{emulator.url.replace('http:', 'ws:')}/openai/v1/realtime?call_id={upstream_call_id}"
    return connect(address, additional_headers={"api-key": "k"})


def asked_for(sideband: ClientConnection) -> dict[str, Any]:
    """The call of a tool, once the response that asks for it is done."""
    while True:
        event = json.loads(sideband.recv(timeout=20))
        if event["type"] == "response.done" and event["response"]["output"][0]["type"] == "function_call":
            return dict(event["response"]["output"][0])


def give(sideband: ClientConnection, call_id: str, output: dict[str, Any]) -> None:
    item = {"type": "function_call_output", "call_id": call_id, "output": json.dumps(output)}
    sideband.send(json.dumps({"type": "conversation.item.create", "item": item}))
    sideband.send(json.dumps({"type": "response.create"}))


def ask_for_the_weather(page: Page, house: House, emulator: Emulator) -> str:
    """A call in writing, up to the question; returns its id."""
    tool = {"name": "get_weather", "arguments": ARGUMENTS, "reply": REPLY}
    script = {"tools": {ASKED: tool}}
    assert requests.post(f"{emulator.url}/emulator/script", json=script, timeout=5).ok
    page.goto(f"{house.url}/?profile=weather")
    with page.expect_response("**/connect") as connected:
        page.click("#start-text")
    expect(page.locator("#say")).to_be_enabled(timeout=PATIENCE_MS)
    return str(connected.value.headers["x-call-id"])


def read_card(card: Locator) -> tuple[Any, Any]:
    """Arguments and output as they stand there, laid out to be read."""
    texts = [card.locator(part).inner_text() for part in (".arguments", ".output")]
    assert all("\n" in text for text in texts)
    return json.loads(texts[0]), json.loads(texts[1])


def test_the_calls_page_shows_a_tool_while_it_is_awaited_and_once_it_has_answered(
    browse: Callable[[Path], Browser], silence: Path, forecasting: House, emulator: Emulator
) -> None:
    browser = browse(silence)
    page, reader = browser.new_page(), browser.new_page()
    complaints = watch(reader)
    call_id = ask_for_the_weather(page, forecasting, emulator)
    with attach(emulator, forecasting.observed(call_id)["upstream_call_id"]) as sideband:
        page.fill("#say", ASKED)
        page.click("#say-send")
        asked = asked_for(sideband)
        assert (asked["name"], json.loads(asked["arguments"])) == ("get_weather", ARGUMENTS)

        reader.goto(f"{forecasting.url}/call.html?id={call_id}")
        card = reader.locator("#conversation [data-role=tool]")
        expect(card.locator(".tool-status")).to_have_text("waiting for its output", timeout=PATIENCE_MS)
        expect(card.locator(".output")).to_be_hidden()

        give(sideband, asked["call_id"], OUTPUT)
        answer = reader.locator("#conversation [data-role=assistant] .words")
        expect(answer).to_have_text(REPLY, timeout=PATIENCE_MS)
        expect(page.locator("#transcript [data-role=assistant] .words")).to_have_text(REPLY)
    (tool,) = [turn["tool"] for turn in forecasting.call(call_id)["turns"] if turn["role"] == "tool"]
    took = datetime.fromisoformat(tool["ended_at"]) - datetime.fromisoformat(tool["started_at"])
    expect(card.locator(".name")).to_have_text("get_weather")
    expect(card.locator(".tool-status")).to_have_text(f"answered · {took // timedelta(milliseconds=1):,} ms")
    assert read_card(card) == (ARGUMENTS, OUTPUT)
    roles = reader.locator("#conversation .bubble").evaluate_all("all => all.map((one) => one.dataset.role)")
    assert roles == ["user", "tool", "assistant"]
    page.click("#hang-up")
    ended = forecasting.ended(call_id)
    assert ended["summary"]["tool_calls"] == 1
    until(lambda: "1 tool" in reader.locator("#turns-split").inner_text(), "the number of tool calls")
    assert complaints == []
