"""A call in which the model calls a tool: the application's server answers, and the call's page shows both."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Page, expect
from websockets.sync.client import ClientConnection, connect

from tests.journeys.test_first_call import PATIENCE_MS, watch
from tests.processes import Emulator, House, until

ASKED = "What is the weather in London?"
ARGUMENTS = {"city": "London", "order": 12345678901234567890}
OUTPUT = {"sky": "foggy", "degrees": 11, "wind": {"from": "south-west", "km_h": 14}}
REPLY = "London is foggy, at eleven degrees."
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of the next days in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "order": {"type": "integer"}},
    },
}


def attach(emulator: Emulator, upstream_call_id: str) -> ClientConnection:
    """The application's server on the call: a second sideband, beside the observer's."""
    address = f"{emulator.url.replace('http:', 'ws:')}/openai/v1/realtime?call_id={upstream_call_id}"
    # Frames that nobody reads would hold up the other side's goodbye for ten seconds.
    return connect(address, additional_headers={"api-key": "k"}, max_queue=None)


def heard(sideband: ClientConnection, type: str) -> dict[str, Any]:
    """The next event of this type."""
    while (event := json.loads(sideband.recv(timeout=20)))["type"] != type:
        pass
    return dict(event)


def tell(sideband: ClientConnection, *events: dict[str, Any]) -> None:
    for event in events:
        sideband.send(json.dumps(event))


def give(sideband: ClientConnection, call_id: str, output: dict[str, Any]) -> None:
    item = {"type": "function_call_output", "call_id": call_id, "output": json.dumps(output)}
    tell(sideband, {"type": "conversation.item.create", "item": item}, {"type": "response.create"})


def open_call_in_writing(page: Page, house: House, profile: str = "default") -> str:
    page.goto(f"{house.url}/?profile={profile}")
    with page.expect_response("**/connect") as connected:
        page.click("#start-text")
    expect(page.locator("#say")).to_be_enabled(timeout=PATIENCE_MS)
    return str(connected.value.headers["x-call-id"])


def test_the_calls_page_shows_a_tool_while_it_is_awaited_and_once_it_has_answered(
    browse: Callable[[Path], Browser], silence: Path, house: House, emulator: Emulator
) -> None:
    browser = browse(silence)
    page, reader = browser.new_page(), browser.new_page()
    complaints = watch(reader)
    script = {"tools": {ASKED: {"name": "get_weather", "arguments": ARGUMENTS, "reply": REPLY}}}
    assert requests.post(f"{emulator.url}/emulator/script", json=script, timeout=5).ok
    call_id = open_call_in_writing(page, house)
    with attach(emulator, house.observed(call_id)["upstream_call_id"]) as sideband:
        tell(sideband, {"type": "session.update", "session": {"type": "realtime", "tools": [WEATHER]}})
        assert heard(sideband, "session.updated")["session"]["tools"][0]["name"] == "get_weather"
        page.fill("#say", ASKED)
        page.click("#say-send")
        (asked,) = heard(sideband, "response.done")["response"]["output"]
        assert (asked["name"], json.loads(asked["arguments"])) == ("get_weather", ARGUMENTS)

        reader.goto(f"{house.url}/call.html?id={call_id}")
        card = reader.locator("#conversation [data-role=tool]")
        expect(card.locator(".tool-status")).to_have_text("waiting for its output", timeout=PATIENCE_MS)
        expect(card.locator(".output")).to_be_hidden()

        give(sideband, asked["call_id"], OUTPUT)
        answer = reader.locator("#conversation [data-role=assistant] .words")
        expect(answer).to_have_text(REPLY, timeout=PATIENCE_MS)
        expect(page.locator("#transcript [data-role=assistant] .words")).to_have_text(REPLY)
    (tool,) = [turn["tool"] for turn in house.call(call_id)["turns"] if turn["role"] == "tool"]
    took = datetime.fromisoformat(tool["ended_at"]) - datetime.fromisoformat(tool["started_at"])
    expect(card.locator(".name")).to_have_text("get_weather")
    expect(card.locator(".tool-status")).to_have_text(f"answered · {took // timedelta(milliseconds=1):,} ms")
    # A number that JavaScript would round is shown as the model wrote it; what can be laid out to be read, is.
    expect(card.locator(".arguments")).to_have_text(asked["arguments"])
    assert card.locator(".output").inner_text() == json.dumps(OUTPUT, indent=2)
    roles = reader.locator("#conversation .bubble").evaluate_all("all => all.map((one) => one.dataset.role)")
    assert roles == ["user", "tool", "assistant"]
    page.click("#hang-up")
    ended = house.ended(call_id)
    assert ended["summary"]["tool_calls"] == 1
    until(lambda: "1 tool call" in reader.locator("#turns-split").inner_text(), "the number of tool calls")
    assert complaints == []
