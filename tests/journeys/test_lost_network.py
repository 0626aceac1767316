"""A pulled cable: the sound stops, and so does the page's HTTP. Nobody can say goodbye."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.journeys.conftest import QUESTION
from tests.journeys.test_first_call import PATIENCE_MS, REPLY, start_call
from tests.processes import Emulator, House, until


def test_a_call_whose_network_is_cut_ends_and_the_page_says_so_when_it_is_back(
    browse: Callable[[Path], Browser], speech: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([QUESTION], {QUESTION: REPLY})
    page = browse(speech).new_page()
    call_id = start_call(page, house)
    until(lambda: house.events(call_id, type="input_audio_buffer.speech_started"), "the caller's voice")

    page.context.set_offline(True)
    emulator.arm("cut the network of a call", call_id=house.call(call_id)["upstream_call_id"])

    lost = house.ended(call_id, seconds=15)
    assert lost["end"] == {"reason": "caller_hung_up", "certainty": "inferred"}
    assert lost["hang_up"] is None
    problem = page.locator("#problem")
    expect(problem).to_have_attribute("data-code", "connection_lost", timeout=PATIENCE_MS)
    expect(problem).to_contain_text("The connection was lost.")
    expect(page.locator("#state")).to_have_text("Ended")
    assert not house.events(call_id, type="browser.leaving")

    page.context.set_offline(False)

    expect(problem).to_contain_text("the call is over", timeout=PATIENCE_MS)
    expect(page.locator("#log-link")).to_have_attribute("href", f"/call.html?id={call_id}")
    assert house.call(call_id)["end"] == lost["end"]
    again = start_call(page, house)
    page.click("#hang-up")
    house.ended(again)
