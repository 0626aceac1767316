"""Turns are found in speech and in nothing else, with the settings that the session has at that moment."""

import array
import asyncio
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame

from realtime_emulator.microphone import Microphone
from realtime_emulator.session import SERVER_VAD
from realtime_emulator.voice_activity import (
    WINDOW_MS,
    Detectors,
    SpeechStarted,
    SpeechStopped,
    VoiceActivity,
)

SEED = 7
SECOND = 48_000


class Recording:
    """A track that has everything at once, as a decoder gives it: 48 kHz, stereo, 20 ms a frame."""

    def __init__(self, mono: bytes) -> None:
        self._mono, self._at = array.array("h", mono), 0

    async def recv(self) -> AudioFrame:
        if self._at >= len(self._mono):
            raise MediaStreamError
        await asyncio.sleep(0)
        samples = self._mono[self._at : self._at + 960]
        self._at += 960
        samples.extend([0] * (960 - len(samples)))
        stereo = array.array("h", [0]) * 1920
        stereo[0::2], stereo[1::2] = samples, samples
        frame = AudioFrame(format="s16", layout="stereo", samples=960)
        frame.planes[0].update(stereo.tobytes())
        frame.sample_rate = SECOND
        return frame


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    """With one detector made already, so that nothing waits for it."""
    lent = Detectors()
    lent.give_back(lent.borrow())
    return lent


@pytest.fixture
def listen(detectors: Detectors) -> Callable[..., list[SpeechStarted | SpeechStopped]]:
    """What a microphone notices in a recording."""

    def hear(
        mono: bytes, detection: dict[str, Any] | None = SERVER_VAD
    ) -> list[SpeechStarted | SpeechStopped]:
        noticed: list[SpeechStarted | SpeechStopped] = []
        microphone = Microphone(detectors, lambda: detection, noticed.append)
        asyncio.run(microphone.listen(Recording(mono)))
        return noticed

    return hear


def tone(seconds: float, loudness: int = 8000) -> bytes:
    wave = (int(loudness * math.sin(math.tau * 440 * i / SECOND)) for i in range(int(seconds * SECOND)))
    return array.array("h", wave).tobytes()


def noise(seconds: float) -> bytes:
    chance = random.Random(SEED)
    return array.array("h", (int(chance.gauss(0, 1600)) for _ in range(int(seconds * SECOND)))).tobytes()


def test_speech_is_one_turn(listen: Any, voices: dict[str, bytes]) -> None:
    spoken = voices["What is the capital of France?"]
    started, stopped = listen(spoken + bytes(2 * SECOND))
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    spoken_ms = len(spoken) * 1000 // (2 * SECOND)
    assert 100 <= started.audio_start_ms <= 500, "half a second of silence, less 300 ms of padding"
    assert abs(stopped.audio_end_ms - spoken_ms - 200) < 350
    assert stopped.audio_ms == stopped.audio_end_ms - started.audio_start_ms
    assert 1000 < stopped.speech_ms < 2000


BEEPS = (tone(0.1) + bytes(SECOND)) * 4
BURSTS = (noise(0.1) + bytes(SECOND)) * 4


@pytest.mark.parametrize(
    "sound", [noise(3), tone(3), bytes(SECOND * 6), tone(0.05) + bytes(SECOND * 2), BEEPS, BURSTS]
)
def test_noise_tones_and_silence_are_no_turn(listen: Any, sound: bytes) -> None:
    assert listen(sound) == []


def test_without_turn_detection_there_are_no_turns(listen: Any, voices: dict[str, bytes]) -> None:
    assert listen(voices["Hello!"] + bytes(SECOND), None) == []


def test_padding_and_silence_are_what_the_session_says(listen: Any, voices: dict[str, bytes]) -> None:
    spoken = voices["Hello!"] + bytes(4 * SECOND)
    usual, usual_end = listen(spoken)
    padded, _ = listen(spoken, {**SERVER_VAD, "prefix_padding_ms": 100})
    _, patient_end = listen(spoken, {**SERVER_VAD, "silence_duration_ms": 700})
    assert padded.audio_start_ms - usual.audio_start_ms == 200
    assert abs(patient_end.audio_end_ms - usual_end.audio_end_ms - 500) <= WINDOW_MS
    assert patient_end.speech_ms == usual_end.speech_ms


def hear_all(scores: list[float], detection: dict[str, Any]) -> list[SpeechStarted | SpeechStopped]:
    activity = VoiceActivity()
    heard = (activity.hear(score, (i + 1) * WINDOW_MS, detection) for i, score in enumerate(scores))
    return [one for one in heard if one is not None]


def test_a_threshold_of_the_session_decides() -> None:
    scores = [0.6] * 10 + [0.0] * 20
    assert len(hear_all(scores, {**SERVER_VAD, "threshold": 0.5})) == 2
    assert hear_all(scores, {**SERVER_VAD, "threshold": 0.7}) == []


def test_a_click_is_no_turn() -> None:
    assert hear_all([0.0, 0.9, 0.0, 0.0, 0.9, 0.0], SERVER_VAD) == []


def test_speech_is_noticed_after_64_ms_because_an_interruption_waits_for_it() -> None:
    activity = VoiceActivity()
    assert activity.hear(0.9, WINDOW_MS, SERVER_VAD) is None
    assert activity.hear(0.9, 2 * WINDOW_MS, SERVER_VAD) == SpeechStarted(0)
    assert 2 * WINDOW_MS == 64


def test_a_pause_shorter_than_the_silence_does_not_end_a_turn() -> None:
    windows = 200 // WINDOW_MS
    assert len(hear_all([0.9] * 5 + [0.0] * windows + [0.9] * 5, SERVER_VAD)) == 1
    assert len(hear_all([0.9] * 5 + [0.0] * (windows + 1) + [0.9] * 5, SERVER_VAD)) == 3


def test_a_turn_never_starts_before_the_call() -> None:
    assert hear_all([0.9] * 3, SERVER_VAD) == [SpeechStarted(0)]


def test_a_detector_comes_back_without_a_memory(detectors: Detectors, voices: dict[str, bytes]) -> None:
    first = detectors.borrow()
    fresh = first.score(bytes(2048))
    for _ in range(50):
        first.score(bytes(array.array("f", [0.5, -0.5] * 256)))
    detectors.give_back(first)
    again = detectors.borrow()
    assert again is first
    assert again.score(bytes(2048)) == pytest.approx(fresh)
    detectors.give_back(again)
