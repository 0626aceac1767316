"""A profile that asks for consent, and one that keeps no words: what a person sees of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.test_first_call import PATIENCE_MS
from tests.processes import Emulator, House

TYPED = "What is my balance, says Zanzibar"


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[House]:
    """A house whose default profile asks for consent and keeps numbers alone."""
    folder = tmp_path_factory.mktemp("careful")
    (folder / "profiles.toml").write_text(
        '[default]\nmodel = "gpt-realtime"\ntranscription = "gpt-4o-transcribe"\n'
        'consent = "2026-11-v1"\nrecording = "metadata"\n'
    )
    built = House.build(folder, emulator.url, SWITCHBOARD_PROFILES=f"{folder}/profiles.toml").start()
    yield built
    built.stop()


def test_a_person_agrees_and_is_told_what_was_kept(
    browse: Callable[[Path], Browser], silence: Path, careful: House
) -> None:
    page = browse(silence).new_page()
    page.goto(careful.url + "/")

    page.click("#start-text")
    expect(page.locator("#consent-version")).to_have_text("2026-11-v1", timeout=PATIENCE_MS)
    for hidden in ("#problem", "#start", "#start-text"):
        expect(page.locator(hidden)).to_be_hidden()
    assert careful.get("/calls").json()["calls"] == []
    with page.expect_response("**/connect") as connected:
        page.click("#agree")
    assert connected.value.status == 201, connected.value.text()
    expect(page.locator("#consent")).to_be_hidden()
    expect(page.locator("#say")).to_be_enabled(timeout=PATIENCE_MS)
    call_id = connected.value.headers["x-call-id"]
    careful.observed(call_id)  # who types before the sideband is attached has that line in a gap, rightly
    page.fill("#say", TYPED)
    page.press("#say", "Enter")
    expect(page.locator("#transcript [data-role=assistant] .words").first).not_to_have_text(
        "…", timeout=PATIENCE_MS
    )
    page.click("#hang-up")

    call = careful.ended(call_id)
    assert json.loads(call["consent"])["version"] == "2026-11-v1"
    page.goto(f"{careful.url}/call.html?id={call_id}")
    expect(page.locator("#facts")).to_contain_text("2026-11-v1, given")
    expect(page.locator("#wordless")).to_be_visible()
    expect(page.locator("#conversation [data-role=user] .words").first).to_have_text("Not recorded.")
    assert "Zanzibar" not in page.content()
