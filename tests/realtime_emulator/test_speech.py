"""Texts become audible: with flite when it is there, with tones when it is not."""

import array
import asyncio
import math

import pytest

from realtime_emulator.speech import LOUDNESS_DBFS, RATE, SHORTEST_MS, Speech, Synthesizer, find_flite

TEXT = "The capital of France is Paris."


def say(text: str, flite: str | None) -> Speech:
    return asyncio.run(Synthesizer(flite).say(text))


def loudness(speech: Speech) -> float:
    samples = array.array("h", speech.pcm)
    power = math.sqrt(sum(one * one for one in samples) / len(samples))
    return 20 * math.log10(power / 32768)


@pytest.mark.parametrize("flite", [find_flite(), None])
def test_it_is_as_loud_as_a_person(flite: str | None) -> None:
    assert abs(loudness(say(TEXT, flite)) - LOUDNESS_DBFS) < 1.5


def test_speech_lasts_as_long_as_saying_it_takes() -> None:
    assert find_flite(), "flite is not installed; `make test` installs it"
    assert 1500 < say(TEXT, find_flite()).ms < 3000


def test_speech_begins_at_once() -> None:
    samples = array.array("h", say(TEXT, find_flite()).pcm)[: RATE // 20]
    assert max(abs(one) for one in samples) > 500


def test_without_flite_each_word_is_a_tone() -> None:
    longer, shorter = say("one two three four", None).ms, say("one two three", None).ms
    assert abs(longer - shorter - 220) <= 1


@pytest.mark.parametrize("flite", ["/nowhere/flite", "/bin/false", "/bin/true"])
def test_a_flite_that_fails_is_replaced_by_tones(flite: str) -> None:
    assert say(TEXT, flite).pcm == say(TEXT, None).pcm


@pytest.mark.parametrize("text", ["", " ", "…", "--version", "-o /tmp/x", "é" * 50])
@pytest.mark.parametrize("flite", [find_flite(), None])
def test_any_text_can_be_said(text: str, flite: str | None) -> None:
    assert say(text, flite).ms >= SHORTEST_MS


def test_a_text_is_made_only_once() -> None:
    async def say_twice() -> bool:
        synthesizer = Synthesizer(find_flite())
        return await synthesizer.say(TEXT) is await synthesizer.say(TEXT)

    assert asyncio.run(say_twice())
