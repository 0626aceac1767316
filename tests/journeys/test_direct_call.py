"""A call straight to the upstream, under Azure's filter: what the page gets to see of it, and what it says of that."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from realtime.events import WEBRTC_FILTER_ALLOWED
from tests.journeys.conftest import QUESTION
from tests.journeys.test_first_call import PATIENCE_MS, REPLY, watch, words
from tests.processes import Emulator, House, until

TAP_THE_CHANNEL = """
    window.came = [];
    const open = RTCPeerConnection.prototype.createDataChannel;
    RTCPeerConnection.prototype.createDataChannel = function (...given) {
        window.channel = open.apply(this, given);
        window.channel.addEventListener("message", ({ data }) => window.came.push(JSON.parse(data)));
        return window.channel;
    };
"""


@pytest.fixture(scope="module")
def twice_announcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The eleventh type is the beta's name of an item's `added`; no recorded service sends it unasked."""
    running = Emulator.start(tmp_path_factory.mktemp("emulator"), "--legacy-item-created")
    yield running
    assert running.process.stop() == 0, running.process.said()[-4000:]


@pytest.fixture(scope="module")
def house_of_it(tmp_path_factory: pytest.TempPathFactory, twice_announcing: Emulator) -> Iterator[House]:
    running = House.build(tmp_path_factory.mktemp("house"), twice_announcing.url).start()
    yield running
    running.stop()


def came(page: Page) -> Counter[str]:
    """What came out of the data channel itself, by type."""
    return Counter(event["type"] for event in page.evaluate("window.came"))


def tell(page: Page, *events: dict[str, object]) -> None:
    """Send client events as an application in this page would."""
    for event in events:
        page.evaluate("(event) => window.channel.send(event)", json.dumps(event))


def test_the_page_of_a_direct_call_sees_the_eleven_types_and_says_that_it_is_not_recorded(
    browse: Callable[[Path], Browser], speech: Path, house_of_it: House, twice_announcing: Emulator
) -> None:
    twice_announcing.script(
        [QUESTION], {QUESTION: REPLY, "Hello there": "Good day.", "In writing": "Gladly."}
    )
    page = browse(speech).new_page()
    page.add_init_script(TAP_THE_CHANNEL)
    complaints = watch(page)
    page.goto(f"{house_of_it.url}/?via=token")
    page.click("#start")
    expect(page.locator("#not-recorded")).to_be_visible(timeout=PATIENCE_MS)

    until(lambda: came(page)["output_audio_buffer.stopped"] == 1, "the spoken answer to what was spoken")
    page.fill("#say", "Hello there")
    page.click("#say-send")
    until(lambda: came(page)["output_audio_buffer.stopped"] == 2, "the spoken answer to what was typed")
    content = [{"type": "input_text", "text": "In writing"}]
    item = {"type": "message", "role": "user", "content": content}
    tell(page, {"type": "conversation.item.create", "item": item})
    tell(page, {"type": "response.create", "response": {"output_modalities": ["text"]}})
    until(lambda: came(page)["response.output_text.done"] == 1, "the written answer")

    seen = came(page)
    assert seen.keys() == WEBRTC_FILTER_ALLOWED and len(seen) == 11
    assert seen["conversation.item.created"] == seen["conversation.item.added"] == 6
    assert words(page, "#transcript", "user") == [QUESTION, "Hello there", "In writing"]
    assert words(page, "#transcript", "assistant") == [REPLY, "Good day.", "Gladly."]
    page.click("#hang-up")
    expect(page.locator("#start")).to_be_enabled(timeout=PATIENCE_MS)
    assert complaints == []
    assert house_of_it.get("/calls").json()["calls"] == []
    until(lambda: twice_announcing.ledger()["open_calls"] == 0, "no open call")


def test_a_recorded_call_whose_items_are_announced_twice_has_each_turn_once(
    browse: Callable[[Path], Browser], silence: Path, house_of_it: House, twice_announcing: Emulator
) -> None:
    twice_announcing.script([], {"Hello there": "Good day."})
    page = browse(silence).new_page()
    page.goto(house_of_it.url + "/")
    with page.expect_response("**/connect") as connected:
        page.click("#start-text")
    call_id = str(connected.value.headers["x-call-id"])
    house_of_it.observed(call_id)
    expect(page.locator("#say")).to_be_enabled(timeout=PATIENCE_MS)
    page.fill("#say", "Hello there")
    page.click("#say-send")
    until(lambda: house_of_it.events(call_id, type="response.done"), "the answer")
    page.click("#hang-up")

    call = house_of_it.ended(call_id)
    assert [(turn["role"], turn["text"]) for turn in call["turns"]] == [
        ("user", "Hello there"),
        ("assistant", "Good day."),
    ]
    assert len(house_of_it.events(call_id, type="conversation.item.created")) == 2
