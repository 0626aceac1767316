"""An operator's page beside the caller's page, on one live call: what the one does, the other hears or sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from access import TEST_HEADER
from tests.journeys.conftest import QUESTION
from tests.journeys.test_conversation import answered, say
from tests.journeys.test_first_call import PATIENCE_MS, REPLY, peak, start_call, watch, words
from tests.journeys.test_interruption import STORY
from tests.journeys.test_tool_call import open_call_in_writing
from tests.processes import Emulator, House, until

MOMENT = "One moment, please."
DISCOUNT = "Offer the caller a discount."
PIRATE = "Say exactly this, whatever you are asked:\n\nArr, the treasure is buried."
QUIET_MS = 700


def operate(browser: Browser, house: House, call_id: str) -> tuple[Page, list[str]]:
    """The call's page as an operator has it open, and what it complains of."""
    page = browser.new_page()
    complaints = watch(page)
    page.goto(f"{house.url}/call.html?id={call_id}")
    expect(page.locator("#acting")).to_be_visible(timeout=PATIENCE_MS)
    return page, complaints


def tell(page: Page, act: str, text: str) -> None:
    """What an operator does with words, without a mouse."""
    page.locator(f"input[value={act}]").focus()
    page.keyboard.press("Space")
    page.focus("#act-text")
    # A line of its own, as Shift and Enter make it; Enter alone sends.
    for place, line in enumerate(text.split("\n")):
        if place:
            page.keyboard.press("Shift+Enter")
        page.keyboard.type(line)
    page.keyboard.press("Enter")


def confirmed(page: Page, house: House, call_id: str, type: str) -> dict[str, Any]:
    """The newest command of this type, once the page shows it as confirmed; it must stand so in the record too."""
    row = page.locator(f"#commands [data-type={type}]").first
    expect(row).to_have_attribute("data-state", "confirmed", timeout=PATIENCE_MS)
    expect(row).to_contain_text("by loopback")
    command_id = str(row.get_attribute("data-command"))
    command = dict(house.get(f"/calls/{call_id}/commands/{command_id}").json())
    assert (command["state"], command["by"]) == ("confirmed", "loopback")
    until(lambda: noted(house, call_id, command_id), "the note of it in the record")
    assert noted(house, call_id, command_id) == ["confirmed"]
    return command


def noted(house: House, call_id: str, command_id: str) -> list[str]:
    """What the record says became of a command."""
    notes = [event["event"] for event in house.events(call_id, type="observer.command")]
    return [note["state"] for note in notes if note["command_id"] == command_id]


def sent_for_operators(house: House, call_id: str) -> list[str]:
    return [event["type"] for event in house.events(call_id, source="operator")]


def model_is_silent(page: Page) -> bool:
    """Whether the caller's loudspeaker has been silent for a while."""
    last = float(page.get_attribute("#model-level", "data-last-sound") or 0)
    return float(page.evaluate("performance.now()")) - last > QUIET_MS


def test_what_an_operator_does_the_caller_hears_and_the_record_confirms(
    browse: Callable[[Path], Browser], silence: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([], {"Tell me a story": STORY, "Hello": "Good day.", "Still there": "Yes, I am."})
    browser = browse(silence)
    caller = browser.new_page()
    call_id = open_call_in_writing(caller, house)
    house.observed(call_id)
    operator, complaints = operate(browser, house, call_id)

    tell(operator, "say", MOMENT)
    confirmed(operator, house, call_id, "say")
    answered(caller, MOMENT)
    until(lambda: peak(caller, "#model-level") > 0.02, "the sound of it")
    expect(operator.locator("#commands [data-type=say] .said")).to_have_text(MOMENT)
    expect(operator.locator("#control-said")).to_have_text("Say: Confirmed.")

    tell(operator, "whisper", DISCOUNT)
    confirmed(operator, house, call_id, "whisper")
    expect(operator.locator("#conversation [data-role=system] .words")).to_have_text(DISCOUNT)

    # While the page takes the model for audible, whatever its caller types cuts it off first.
    until(lambda: house.events(call_id, type="output_audio_buffer.stopped"), "the end of what was said")
    until(lambda: model_is_silent(caller), "the silence after it")
    say(caller, "Tell me a story")
    until(lambda: not model_is_silent(caller), "the story")
    operator.click("#interrupt")
    confirmed(operator, house, call_id, "interrupt")
    until(lambda: model_is_silent(caller), "silence in the middle of the story")
    assert house.events(call_id, type="output_audio_buffer.cleared")

    tell(operator, "instructions", PIRATE)
    confirmed(operator, house, call_id, "instructions")
    say(caller, "Hello")
    answered(caller, "Arr, the treasure is buried.")
    assert DISCOUNT not in caller.inner_text("body")

    # Whether something was left to cancel of the story is a matter of the model's pace.
    assert [type for type in sent_for_operators(house, call_id) if type != "response.cancel"] == [
        "response.create", "conversation.item.create", "output_audio_buffer.clear", "session.update",
    ]  # fmt: skip
    line = operator.locator("#events [data-source=operator][data-type='conversation.item.create']")
    expect(line.locator(".gist")).to_have_text(f"Whisper: “{DISCOUNT}”")

    operator.click("#hang-up")
    expect(caller.locator("#start-text")).to_be_visible(timeout=PATIENCE_MS)
    assert house.ended(call_id)["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
    expect(operator.locator("#commands [data-type=hang_up]")).to_have_attribute(
        "data-state", "confirmed", timeout=PATIENCE_MS
    )
    expect(operator.locator("#acting")).to_be_hidden()
    assert complaints == []


def test_a_muted_model_answers_nobody_until_it_is_unmuted(
    browse: Callable[[Path], Browser], late_speech: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([QUESTION], {QUESTION: REPLY})
    browser = browse(late_speech)
    caller = browser.new_page()
    call_id = start_call(caller, house)
    house.observed(call_id)
    operator, complaints = operate(browser, house, call_id)
    operator.click("#mute")
    confirmed(operator, house, call_id, "mute")
    expect(operator.locator("#muted")).to_be_visible()

    spoken = caller.locator("#transcript [data-role=user] .words")
    expect(spoken).to_have_text(QUESTION, timeout=PATIENCE_MS)
    tell(operator, "say", MOMENT)
    waiting = operator.locator("#commands [data-type=say]")
    expect(waiting).to_contain_text("Waiting while the model is muted", timeout=PATIENCE_MS)
    assert words(caller, "#transcript", "assistant") == [] and peak(caller, "#model-level") < 0.02
    assert house.events(call_id, type="response.created") == []

    operator.click("#mute")
    confirmed(operator, house, call_id, "unmute")
    answered(caller, MOMENT)
    confirmed(operator, house, call_id, "say")
    expect(operator.locator("#muted")).to_be_hidden()
    until(lambda: peak(caller, "#model-level") > 0.02, "the model's voice")
    caller.click("#hang-up")
    house.ended(call_id)
    assert complaints == []


@pytest.fixture(scope="module")
def house_of_tests(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[House]:
    """One that believes the header of the test set-up."""
    folder = tmp_path_factory.mktemp("house")
    running = House.build(folder, emulator.url, SWITCHBOARD_TEST_PRINCIPALS="1").start()
    yield running
    running.stop()


def test_a_caller_sees_no_control_and_may_hang_up(
    browse: Callable[[Path], Browser], silence: Path, house_of_tests: House
) -> None:
    browser = browse(silence)
    caller = browser.new_page()
    call_id = open_call_in_writing(caller, house_of_tests)
    house_of_tests.observed(call_id)
    reader = browser.new_context(extra_http_headers={TEST_HEADER: "loopback; roles=caller"}).new_page()
    reader.goto(f"{house_of_tests.url}/call.html?id={call_id}")
    expect(reader.locator("#state")).to_have_text("Live", timeout=PATIENCE_MS)
    expect(reader.locator("#control")).to_be_hidden()
    reader.click("#hang-up")
    ended = house_of_tests.ended(call_id)
    assert ended["end"] == {"reason": "caller_hung_up", "certainty": "stated"}
