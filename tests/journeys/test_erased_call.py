"""The pages of a call that was erased."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.journeys.test_first_call import PATIENCE_MS, start_call, watch
from tests.processes import House, until


def test_a_person_sees_that_it_was_erased_and_what_stays(
    browse: Callable[[Path], Browser], silence: Path, house: House
) -> None:
    page = browse(silence).new_page()
    complaints = watch(page)
    call_id = start_call(page, house)
    house.observed(call_id)
    house.hang_up(call_id)
    house.ended(call_id)
    until(lambda: house.erase(call_id).status_code == 200, "the erasure")

    page.goto(f"{house.url}/call.html?id={call_id}")

    expect(page.locator("#erased")).to_contain_text("Erased, as loopback wished", timeout=PATIENCE_MS)
    expect(page.locator("#conversation-blank")).to_have_text("What was said in this call was erased.")
    expect(page.locator("#events-blank")).to_have_text("The events were erased.")
    expect(page.locator("#end-reason")).to_have_text("An operator hung up")
    expect(page.locator("#events li")).to_have_count(0)
    expect(page.locator("#twins")).to_be_hidden()
    page.goto(f"{house.url}/calls.html")
    expect(page.locator("#rows .reason").first).to_have_text("An operator hung up · erased")
    assert complaints == []
