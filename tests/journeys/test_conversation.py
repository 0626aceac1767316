"""A conversation as real ones go: typed, by push-to-talk, twice at once, and left without a goodbye."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import requests
from openai.types.realtime.realtime_client_event_param import RealtimeClientEventParam
from playwright.sync_api import Browser, Page, Route, expect
from pydantic import ConfigDict, TypeAdapter, with_config

from tests.journeys.conftest import QUESTION
from tests.journeys.test_first_call import PATIENCE_MS, REPLY, peak, said, start_call, watch
from tests.processes import Emulator, House, until

COUNT_MICROPHONES = """
    window.asked = 0;
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (wanted) => { window.asked += 1; return ask(wanted); };
"""


def keep_what_is_sent(page: Page) -> None:
    """From the next page on, keep every event that goes out on its data channel."""
    page.add_init_script(
        """
        window.sent = [];
        const send = RTCDataChannel.prototype.send;
        RTCDataChannel.prototype.send = function (text) { window.sent.push(JSON.parse(text)); send.call(this, text); };
        """
    )


def types_of_what_was_sent(page: Page) -> set[str]:
    """Their types; each event is what the official package means by it, strictly and with nothing besides."""
    known = {
        get_args(get_type_hints(event)["type"])[0]: event for event in get_args(RealtimeClientEventParam)
    }
    sent = page.evaluate("window.sent")
    for event in sent:
        strictly = with_config(ConfigDict(extra="forbid", strict=True))(known[event["type"]])
        TypeAdapter(strictly).validate_python(event)
        assert event["event_id"]
    return {event["type"] for event in sent}


def say(page: Page, text: str) -> None:
    page.fill("#say", text)
    page.click("#say-send")


def kill_renderers() -> None:
    """kill -9 of every process of this test that draws a page: no page gets to say anything."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    for pid in ours:
        with contextlib.suppress(OSError):
            if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def answered(page: Page, text: str) -> None:
    expect(page.locator("#transcript [data-role=assistant] .words").last).to_have_text(
        text, timeout=PATIENCE_MS
    )


def test_a_person_types_without_ever_being_asked_for_a_microphone(
    browse: Callable[[Path], Browser], silence: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([], {"Hello there": "Good day."})
    page = browse(silence).new_page()
    page.add_init_script(COUNT_MICROPHONES)
    complaints = watch(page)
    page.goto(house.url + "/")
    with page.expect_response("**/connect") as connected:
        page.click("#start-text")
    call_id = str(connected.value.headers["x-call-id"])

    expect(page.locator("#say")).to_be_enabled(timeout=PATIENCE_MS)
    house.observed(call_id)
    say(page, "Hello there")
    answered(page, "Good day.")
    until(lambda: peak(page, "#model-level") > 0.02, "sound of the model in the page")
    page.click("#hang-up")

    assert said(house.ended(call_id)) == [("user", "Hello there"), ("assistant", "Good day.")]
    assert page.evaluate("window.asked") == 0
    assert complaints == []


KEEP_WHAT_WAS_WANTED = """
    window.wanted = [];
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (how) => {
        window.wanted.push(how.audio.deviceId?.exact ?? null);
        return ask(how);
    };
"""


def test_another_microphone_is_taken_before_and_in_a_call_and_remembered(
    browse: Callable[[Path], Browser], silence: Path, house: House
) -> None:
    page = browse(silence).new_page()
    page.add_init_script(KEEP_WHAT_WAS_WANTED)
    complaints, held = watch(page), list[Route]()
    page.route("**/connect", lambda route: held.append(route))
    page.goto(house.url + "/")
    page.click("#start")
    others = page.locator("#microphone option:not([value=''])")
    expect(others).not_to_have_count(0, timeout=PATIENCE_MS)
    chosen = str(others.last.get_attribute("value"))
    page.select_option("#microphone", chosen)
    until(lambda: page.evaluate("window.wanted") == [None, chosen], "the chosen one, while it connects")
    held[0].continue_()
    page.unroute("**/connect")
    expect(page.locator("#state")).to_have_text("On the line", timeout=PATIENCE_MS)
    page.click("#hang-up")

    call_id = start_call(page, house)
    expect(page.locator("#state")).to_have_text("On the line", timeout=PATIENCE_MS)
    expect(page.locator("#microphone")).to_have_value(chosen)
    page.select_option("#microphone", "")
    until(lambda: page.evaluate("window.wanted") == [chosen, None], "the system's own, in the call")
    expect(page.locator("#problem")).to_be_hidden()
    page.click("#hang-up")
    house.ended(call_id)
    assert complaints == []


def test_push_to_talk_sends_only_what_was_said_while_it_was_pressed(
    browse: Callable[[Path], Browser], late_speech: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([QUESTION], {QUESTION: REPLY})
    page = browse(late_speech).new_page()
    keep_what_is_sent(page)
    page.goto(house.url + "/")
    page.select_option("#mode", "push-to-talk")
    call_id = start_call(page, house)

    def quiet_for() -> float:
        last = page.get_attribute("#microphone-level", "data-last-sound")
        return float(page.evaluate("performance.now()")) - float(last) if last else 0.0

    expect(page.locator("#push")).to_be_enabled(timeout=PATIENCE_MS)
    page.locator("#push").hover()
    page.mouse.down()
    until(lambda: quiet_for() > 500, "the end of the spoken question")
    assert not house.events(call_id, type="input_audio_buffer.committed")
    page.mouse.up()
    answered(page, REPLY)
    until(lambda: peak(page, "#model-level") > 0.02, "the model's voice")
    say(page, "And what of Spain?")
    until(lambda: house.events(call_id, type="output_audio_buffer.cleared"), "the cut")
    sent = types_of_what_was_sent(page)
    page.click("#hang-up")
    assert {"session.update", "input_audio_buffer.clear", "input_audio_buffer.commit"} <= sent
    assert {"conversation.item.create", "response.create", "output_audio_buffer.clear"} <= sent

    call = house.ended(call_id)
    assert said(call)[:3] == [("user", QUESTION), ("assistant", REPLY), ("user", "And what of Spain?")]
    seen = [event["type"] for event in house.events(call_id, source="upstream")]
    assert "input_audio_buffer.speech_started" not in seen and seen.count("input_audio_buffer.committed") == 1


def test_a_tab_that_dies_without_a_word_ends_its_call(
    browse: Callable[[Path], Browser], speech: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([QUESTION], {QUESTION: REPLY})
    page = browse(speech).new_page()
    call_id = start_call(page, house)
    until(lambda: house.events(call_id, type="input_audio_buffer.speech_started"), "the caller's voice")

    kill_renderers()

    call = house.ended(call_id, seconds=15)
    assert call["end"] == {"reason": "caller_hung_up", "certainty": "inferred"}
    assert emulator.call(call["upstream_call_id"])["ended_at"] is not None


def test_a_call_that_the_upstream_ends_is_told_apart_by_the_page_that_stays(
    browse: Callable[[Path], Browser], speech: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([QUESTION], {QUESTION: REPLY})
    page = browse(speech).new_page()
    call_id = start_call(page, house)
    until(lambda: house.events(call_id, type="input_audio_buffer.speech_started"), "the caller's voice")

    upstream_call = (
        f"{emulator.url}/openai/v1/realtime/calls/{house.call(call_id)['upstream_call_id']}/hangup"
    )
    assert requests.post(upstream_call, headers={"api-key": "k"}, timeout=5).ok

    assert house.ended(call_id)["end"] == {"reason": "upstream_closed", "certainty": "probed"}
    expect(page.locator("#start")).to_be_enabled(timeout=PATIENCE_MS)


def test_two_calls_at_once_keep_their_words_apart(
    browse: Callable[[Path], Browser], silence: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([], {"one": "I heard one.", "two": "I heard two."})
    browser = browse(silence)
    pages = {word: browser.new_page() for word in ("one", "two")}
    calls = {word: start_call(page, house) for word, page in pages.items()}
    for word, page in pages.items():
        say(page, word)
    for word, page in pages.items():
        answered(page, f"I heard {word}.")
    assert emulator.ledger()["open_calls"] == 2
    for page in pages.values():
        page.click("#hang-up")

    for word, call_id in calls.items():
        assert said(house.ended(call_id)) == [("user", word), ("assistant", f"I heard {word}.")]
    assert emulator.ledger()["open_calls"] == 0


def test_the_page_tells_what_only_it_can_know(
    browse: Callable[[Path], Browser], speech: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([QUESTION], {QUESTION: REPLY})
    page = browse(speech).new_page()
    call_id = start_call(page, house)
    answered(page, REPLY)
    until(lambda: len(house.events(call_id, type="browser.stats")) >= 2, "two statistics")
    until(lambda: house.events(call_id, type="browser.first_audio"), "the first audible frame")
    page.click("#hang-up")
    house.ended(call_id)

    told = {event["type"]: event["event"] for event in house.events(call_id, source="browser")}
    assert {"browser.connection", "browser.channel", "browser.stats", "browser.leaving"} <= told.keys()
    assert told["browser.first_audio"]["since_answer_ms"] > 0
    assert isinstance(told["browser.stats"]["rtt_ms"], int | float)
