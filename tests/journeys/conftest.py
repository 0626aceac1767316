"""A real Chromium with a file of speech as its microphone, on pages that the real web serves."""

from __future__ import annotations

import array
import math
import shutil
import subprocess
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
RATE = 48_000
QUESTION = "What is the capital of France?"

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium")
    assert found, "Debian's chromium is missing; `make test` installs it"
    return found


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    # It keeps an event loop running in this thread: other rooms' tests must not find it there.
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def question(tmp_path_factory: pytest.TempPathFactory) -> array.array[int]:
    """The question, spoken."""
    return spoken(tmp_path_factory.mktemp("question") / "flite.wav", QUESTION)


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory, question: array.array[int]) -> Path:
    """One spoken question between silences, as a microphone would hear it."""
    return record(
        tmp_path_factory.mktemp("speech") / "question.wav", silence_of(2.0) + question + silence_of(60.0)
    )


@pytest.fixture(scope="session")
def late_speech(tmp_path_factory: pytest.TempPathFactory, question: array.array[int]) -> Path:
    """The same, late enough for somebody to press a key before it."""
    return record(
        tmp_path_factory.mktemp("late") / "question.wav", silence_of(5.0) + question + silence_of(60.0)
    )


@pytest.fixture(scope="session")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A microphone in an empty room."""
    return record(tmp_path_factory.mktemp("silence") / "silence.wav", silence_of(60.0))


def spoken(file: Path, text: str) -> array.array[int]:
    """Flite's voice, at RATE."""
    assert shutil.which("flite"), "Debian's flite is missing; `make test` installs it"
    subprocess.run(["flite", "-voice", "rms", "-t", text, "-o", str(file)], check=True)
    with wave.open(str(file)) as said:
        samples = array.array("h", said.readframes(said.getnframes()))
        step = said.getframerate() / RATE
    return array.array("h", (samples[int(n * step)] for n in range(int(len(samples) / step))))


def silence_of(seconds: float) -> array.array[int]:
    """An empty room, at RATE."""
    # Not digital zero: no room is that quiet, and a voice detector must not learn that it could be.
    return array.array("h", (int(3 * math.sin(n / 7)) for n in range(int(seconds * RATE))))


def record(path: Path, samples: array.array[int]) -> Path:
    """A WAV file that Chromium takes for a microphone."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return path


@pytest.fixture
def browse(playwright: Playwright, chromium: str) -> Iterator[Callable[[Path], Browser]]:
    """A browser with this file as its microphone: the file is a flag of the whole process."""
    with ExitStack() as running:

        def launch(microphone: Path) -> Browser:
            flags = [*QUIET, f"--use-file-for-fake-audio-capture={microphone}%noloop"]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            running.callback(browser.close)
            return browser

        yield launch
