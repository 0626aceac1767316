"""The first call: a browser talks, the observer records it, a person reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import QUESTION
from tests.processes import Emulator, House, until

PATIENCE_MS = 20_000
REPLY = "Paris is the capital of France."


def watch(page: Page) -> list[str]:
    """What the page complains of, from now on."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    return complaints


def start_call(page: Page, house: House) -> str:
    """Open the page, press Start, wait for the line; returns the call's id."""
    page.goto(house.url + "/")
    with page.expect_response("**/connect") as connected:
        page.click("#start")
    assert connected.value.status == 201, connected.value.text()
    expect(page.locator("#hang-up")).to_be_enabled(timeout=PATIENCE_MS)
    return str(connected.value.headers["x-call-id"])


def peak(page: Page, meter: str) -> float:
    """The loudest that the page measured there."""
    return float(page.get_attribute(meter, "data-peak") or 0)


def words(page: Page, where: str, role: str) -> list[str]:
    return page.locator(f"{where} [data-role={role}] .words").all_inner_texts()


def said(call: dict[str, Any]) -> list[tuple[str, str]]:
    return [(turn["role"], turn["text"]) for turn in call["turns"]]


def test_a_person_talks_and_the_log_holds_the_same_conversation(
    browse: Callable[[Path], Browser], speech: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([QUESTION], {QUESTION: REPLY})
    page = browse(speech).new_page()
    complaints = watch(page)

    call_id = start_call(page, house)
    expect(page.locator("#transcript [data-role=user] .words").first).to_have_text(
        QUESTION, timeout=PATIENCE_MS
    )
    expect(page.locator("#transcript [data-role=assistant] .words").first).to_have_text(
        REPLY, timeout=PATIENCE_MS
    )
    until(
        lambda: peak(page, "#model-level") > 0.02,
        "sound of the model in the page",
    )
    assert peak(page, "#microphone-level") > 0.02
    until(
        lambda: [e for e in house.events(call_id) if e["type"] == "output_audio_buffer.stopped"],
        "the model's last word",
    )
    assert words(page, "#transcript", "user") == [QUESTION]
    page.click("#hang-up")

    call = house.ended(call_id)
    assert call["end"] == {"reason": "caller_hung_up", "certainty": "stated"}
    assert said(call) == [("user", QUESTION), ("assistant", REPLY)]
    user, model = call["turns"]
    assert user["transcription"] == "completed" and model["status"] == "completed"
    assert 0 < model["response_gap_ms"] == call["summary"]["response_gap_ms"]["p50"] < 10_000
    assert model["usage"]["output_token_details"]["audio_tokens"] > 0
    assert call["summary"]["usage"]["total_tokens"] >= model["usage"]["total_tokens"]
    assert complaints == []
    assert emulator.call(call["upstream_call_id"])["ended_at"] is not None
    assert emulator.ledger()["open_calls"] == 0
    logs = house.logs() + emulator.process.said()
    assert call_id in logs and "call_ended" in logs
    for secret in ("a-key-of-the-tests", "ek_", "v=0", "a=candidate", "ice-ufrag", "capital of France"):
        assert secret not in logs


def test_the_microphone_is_released_when_the_call_is_over(
    browse: Callable[[Path], Browser], silence: Path, house: House
) -> None:
    page = browse(silence).new_page()
    page.add_init_script(
        """
        window.tracks = [];
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => {
            const stream = await ask(wanted);
            window.tracks.push(...stream.getTracks());
            return stream;
        };
        """
    )

    def live_tracks() -> int:
        return int(page.evaluate("window.tracks.filter((track) => track.readyState === 'live').length"))

    call_id = start_call(page, house)
    assert live_tracks() == 1
    page.click("#hang-up")
    until(lambda: live_tracks() == 0, "a released microphone")
    house.ended(call_id)

    call_id = start_call(page, house)
    house.hang_up(call_id)
    until(
        lambda: live_tracks() == 0,
        "a released microphone after the far end hung up",
    )
    assert house.ended(call_id)["end"] == {"reason": "operator_hung_up", "certainty": "stated"}

    page.route(
        "**/connect", lambda route: route.fulfill(status=503, body='{"code":"no_observer","detail":"x"}')
    )
    page.goto(house.url + "/")
    page.click("#start")
    expect(page.locator("#problem")).to_be_visible(timeout=PATIENCE_MS)
    assert live_tracks() == 0


def test_a_person_types_and_reads_the_call_while_it_runs(
    browse: Callable[[Path], Browser], silence: Path, house: House, emulator: Emulator
) -> None:
    emulator.script([], {"Where is Paris?": "Paris is in France."})
    browser = browse(silence)
    page = browser.new_page()
    complaints = watch(page)
    call_id = start_call(page, house)
    house.observed(call_id)

    page.fill("#say", "Where is Paris?")
    page.click("#say-send")
    reader = browser.new_page()
    complaints_of_reader = watch(reader)
    reader.goto(f"{house.url}/call.html?id={call_id}")

    conversation = reader.locator("#conversation")
    expect(conversation.locator("[data-role=user] .words")).to_have_text(
        "Where is Paris?", timeout=PATIENCE_MS
    )
    expect(conversation.locator("[data-role=assistant] .words")).to_have_text(
        "Paris is in France.", timeout=PATIENCE_MS
    )
    expect(reader.locator("#events [data-seq='1']")).to_be_attached()
    reader.click("#hang-up")
    expect(reader.locator("#end-reason")).to_contain_text("operator", ignore_case=True, timeout=PATIENCE_MS)
    assert house.ended(call_id)["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
    expect(page.locator("#start")).to_be_enabled(timeout=PATIENCE_MS)

    reader.goto(house.url + "/calls.html")
    expect(reader.locator(f"#calls tbody tr[data-call='{call_id}']")).to_be_visible(timeout=PATIENCE_MS)
    assert complaints == [] and complaints_of_reader == []


def test_a_page_that_is_left_ends_its_call(
    browse: Callable[[Path], Browser], silence: Path, house: House
) -> None:
    page = browse(silence).new_page()
    call_id = start_call(page, house)
    page.goto("about:blank")
    assert house.ended(call_id)["end"]["reason"] == "caller_hung_up"


def test_a_refused_offer_is_explained_and_leaves_no_call(
    browse: Callable[[Path], Browser], silence: Path, house: House, emulator: Emulator
) -> None:
    emulator.arm("refuse the offer", times=1)
    page = browse(silence).new_page()
    page.goto(house.url + "/")
    page.click("#start")
    expect(page.locator("#problem")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#start")).to_be_enabled()
    newest = house.get("/calls?limit=1").json()["calls"][0]
    assert (newest["state"], newest["failure"]["code"]) == ("failed", "offer_rejected")
    assert emulator.ledger()["open_calls"] == 0
