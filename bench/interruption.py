"""`python -m bench.interruption`: how soon the model falls silent when the caller speaks, measured in the page.

From the first sound of the microphone to the last sound of the model, both by the page's own level meters (every
20 ms): voice detection, the cut, RTP and the browser's jitter buffer are all in it.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.journeys.conftest import QUESTION, QUIET, record, silence_of, spoken
from tests.journeys.test_interruption import INTERRUPTION, interrupt
from tests.processes import UNWATCHED, Emulator, House


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        emulator = Emulator.start(folder, **UNWATCHED)
        house = House.build(folder / "house", emulator.url, LOG_LEVEL="warning", **UNWATCHED).start()
        try:
            figures = sorted(measure(folder, house, emulator, rounds))
        finally:
            house.stop()
            emulator.process.stop()
    median, p95 = statistics.median(figures) * 1000, figures[int(len(figures) * 0.95)] * 1000
    print(f"{platform.machine()}, Python {platform.python_version()}, {rounds} rounds")
    print(f"caller's first sound to the model's silence: median {median:.0f} ms, p95 {p95:.0f} ms,"
          f" worst {figures[-1] * 1000:.0f} ms")  # fmt: skip


def measure(folder: Path, house: House, emulator: Emulator, rounds: int) -> list[float]:
    """Seconds of each round."""
    question, word = spoken(folder / "question.wav", QUESTION), spoken(folder / "word.wav", INTERRUPTION)
    heard = silence_of(2.0) + question + silence_of(4.0) + word + silence_of(60.0)
    microphone = record(folder / "microphone.wav", heard)
    flags = [*QUIET, f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    figures = []
    with sync_playwright() as playwright:
        for _ in range(rounds):
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            page = browser.new_page()
            call_id, seconds = interrupt(page, house, emulator)
            figures.append(seconds)
            page.click("#hang-up")
            house.ended(call_id)
            browser.close()
    return figures


if __name__ == "__main__":
    main()
