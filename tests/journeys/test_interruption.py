"""The caller speaks while the model does: the model falls silent, and the log says what was heard."""

from __future__ import annotations

import array
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import QUESTION, record, silence_of, spoken
from tests.journeys.test_first_call import PATIENCE_MS, start_call
from tests.processes import Emulator, House, until

STORY = (
    "It is a long story, and I will tell you all of it. Once upon a time there was a switchboard in a small town by "
    "the sea, and every call that came over the mountains went through the hands of one woman, who knew them all."
)
INTERRUPTION = "Stop. Thank you."
ROGUE = 2.0
"""Seconds from the caller's first sound within which silence must have come at all, or have been there where the model
drew breath; how quick it is, bench/interruption.py measures."""


@pytest.fixture(scope="session")
def interrupting_speech(tmp_path_factory: pytest.TempPathFactory, question: array.array[int]) -> Path:
    """A question, and three seconds later, in the middle of the answer, a word."""
    folder = tmp_path_factory.mktemp("interrupting")
    word = spoken(folder / "word.wav", INTERRUPTION)
    return record(
        folder / "microphone.wav", silence_of(2.0) + question + silence_of(4.0) + word + silence_of(60.0)
    )


def interrupt(page: Page, house: House, emulator: Emulator) -> tuple[str, float]:
    """A call that is interrupted by voice; its id, and the seconds from the caller's first sound to the model's last,
    both as the page measured them."""
    emulator.script([QUESTION, INTERRUPTION], {QUESTION: STORY, INTERRUPTION: "You are welcome."})
    call_id = start_call(page, house)
    until(lambda: house.events(call_id, type="output_audio_buffer.started"), "the model's voice")
    until(lambda: house.events(call_id, type="output_audio_buffer.cleared"), "the cut")
    onset = float(page.get_attribute("#microphone-level", "data-onset") or 0)

    def last_sound_before_the_pause() -> float:
        """The model is silent for a moment before it answers the interruption."""
        last = float(page.get_attribute("#model-level", "data-last-sound") or 0)
        return last if float(page.evaluate("performance.now()")) - last > 150 else 0.0

    return call_id, (until(last_sound_before_the_pause, "the model's silence") - onset) / 1000


def test_the_model_falls_silent_when_the_caller_speaks_and_the_log_says_what_was_heard(
    browse: Callable[[Path], Browser], interrupting_speech: Path, house: House, emulator: Emulator
) -> None:
    page = browse(interrupting_speech).new_page()

    call_id, seconds = interrupt(page, house, emulator)

    print(f"silent {seconds * 1000:.0f} ms after the caller's first sound")
    assert abs(seconds) < ROGUE
    until(lambda: len(house.call(call_id)["turns"]) >= 4, "the answer to the interruption")
    page.click("#hang-up")
    call = house.ended(call_id)
    told = call["turns"][1]
    # A model that is slow has not made the whole story yet when it is stopped.
    assert STORY.startswith(told["text"]) and told["interrupted"] is True
    assert told["heard"] and told["unheard"] and told["heard"] + told["unheard"] == told["text"]
    assert call["summary"]["interruptions"] == 1

    page.goto(f"{house.url}/call.html?id={call_id}")
    expect(page.locator("#interruptions")).to_contain_text("1", timeout=PATIENCE_MS)
    expect(page.locator("#conversation .words .unheard").first).to_have_text(told["unheard"].strip())
    expect(page.locator("#cost")).to_contain_text("$")
    expect(page.locator("#network")).to_be_visible()


METER = """
async () => {
  const { Meter } = await import(document.querySelector("script[type=module]").src.replace(/[^/]*$/, "meter.js"));
  const canvas = document.body.appendChild(document.createElement("canvas"));
  const rest = (ms) => new Promise((go) => setTimeout(go, ms));
  let level = 0.5;
  new Meter(canvas).follow({ read: () => level, close: () => {} });
  await rest(100);
  const began = canvas.dataset.onset;
  for (const until = performance.now() + 500; performance.now() < until; );
  await rest(100);
  const stalled = canvas.dataset.onset;
  level = 0;
  await rest(1500);
  level = 0.5;
  await rest(100);
  return [began, stalled, canvas.dataset.onset];
}
"""


def test_a_page_that_stands_still_has_heard_no_pause(
    browse: Callable[[Path], Browser], interrupting_speech: Path, house: House
) -> None:
    page = browse(interrupting_speech).new_page()
    page.goto(house.url + "/")
    began, stalled, after_a_pause = page.evaluate(METER)
    assert began == stalled and float(after_a_pause) > float(began)
