"""Guardrails on real calls: in shadow and live, on both sides, and rules that fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.page import Page
from tests.processes import Emulator, House, until

BASE = 'model = "gpt-realtime"\ntranscription = "whisper-1"\n'
PROFILES = f"""
[default]
{BASE}
[shadow]
{BASE}
[shadow.guardrails.cards]
patterns = ['\\b\\d{{13,19}}\\b']
side = "caller"
action = "hang_up"
[shadow.guardrails.promises]
patterns = ["refund"]
side = "model"
action = "interrupt"
[live]
{BASE}
[live.guardrails.promises]
patterns = ["refund"]
side = "model"
action = "interrupt"
shadow = false
[strict]
{BASE}
recording = "metadata"
[strict.guardrails.cards]
patterns = ['\\b\\d{{13,19}}\\b']
action = "hang_up"
shadow = false
[broken]
{BASE}
[broken.guardrails.runaway]
patterns = ["(a+)+$"]
action = "hang_up"
shadow = false
[broken.guardrails.raising]
function = "tests.observer.operators_rules:raising"
[broken.guardrails.reasons]
function = "tests.observer.operators_rules:reasoned"
side = "caller"
"""
PATIENT = (
    "from observer.__main__ import main; from observer.limits import Limits; "
    "main(Limits(redaction=2.0, redaction_waited=60.0))"
)
"""A busy machine may need long to start what judges; what never ends is killed all the same."""

CARD = "4111111111111111"
ASKED = "Where is my money?"
LONG = "I can promise you a full refund today, and I shall say so slowly and at length, so that you hear all of it."


@pytest.fixture(scope="module")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator.start(tmp_path_factory.mktemp("far_end"))
    running.script([], dict.fromkeys((ASKED, f"{CARD}. {ASKED}"), LONG))
    yield running
    running.process.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, far_end: Emulator) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "profiles.toml").write_text(PROFILES)
    built = House.build(folder / "house", far_end.url, SWITCHBOARD_PROFILES=str(folder / "profiles.toml"))
    built.start_observer("-c", PATIENT)
    built.start_web()
    built.ready()
    yield built
    built.stop()


def noted(
    house: House, call_id: str, type: str = "observer.guardrail", count: int = 1
) -> list[dict[str, Any]]:
    return until(
        lambda: len(found := house.events(call_id, type=type)) >= count and [one["event"] for one in found],
        f"{count} of {type}",
    )


def answered(house: House, page: Page, count: int) -> None:
    until(
        lambda: len(house.events(page.call_id, type="response.done")) >= count, f"{count} answers, recorded"
    )


def test_in_shadow_it_only_says_what_it_would_have_done(house: House) -> None:
    with Page(house, "shadow") as page:
        page.types(f"{CARD}. {ASKED}")
        notes = noted(house, page.call_id, count=2)
        assert {(one["rule"], one["side"], one["action"], one["shadow"], one["reason"]) for one in notes} == {
            ("cards", "caller", "hang_up", True, "pattern"),
            ("promises", "model", "interrupt", True, "pattern"),
        }
        assert CARD not in str(notes) and all(one["item_id"] for one in notes)
        assert house.get(f"/calls/{page.call_id}/commands").json()["commands"] == []
        assert house.call(page.call_id)["state"] == "observed"


def test_a_live_rule_interrupts_the_model(house: House) -> None:
    with Page(house, "live") as page:
        page.types(ASKED)
        (note,) = noted(house, page.call_id)
        assert (note["side"], note["shadow"]) == ("model", False)
        (command,) = until(
            lambda: house.get(f"/calls/{page.call_id}/commands").json()["commands"], "a command"
        )
        assert (command["type"], command["by"]) == ("interrupt", "guardrail:promises")
        assert house.settled(page.call_id, command["command_id"])["state"] == "confirmed"
        until(lambda: house.events(page.call_id, type="output_audio_buffer.cleared"), "silence")


def test_a_live_rule_hangs_up_also_where_no_words_are_kept(house: House) -> None:
    with Page(house, "strict") as page:
        page.types(f"My card is {CARD}.")
        assert house.ended(page.call_id)["end"] == {"reason": "policy_guardrail", "certainty": "stated"}
        (note,) = noted(house, page.call_id)
        assert (note["rule"], note["side"], note["action"]) == ("cards", "caller", "hang_up")
        assert CARD not in str(house.events(page.call_id))


def test_rules_that_fail_are_noted_and_stop_neither_the_record_nor_each_other(house: House) -> None:
    with Page(house, "broken") as page:
        page.types("a" * 60 + "!")
        failed = {one["rule"]: one for one in noted(house, page.call_id, "observer.guardrail_failed", 2)}
        assert (failed["runaway"]["cause"], failed["runaway"]["error"]) == ("timeout", None)
        assert (failed["raising"]["cause"], failed["raising"]["error"]) == ("failed", "LookupError")
        answered(house, page, 1)
        page.types("rude")
        (note,) = noted(house, page.call_id)
        assert (note["rule"], note["reason"], note["shadow"]) == ("reasons", "rude_caller", True)
        answered(house, page, 2)
        assert house.call(page.call_id)["state"] == "observed"


def test_what_an_operator_says_is_no_callers_word(house: House) -> None:
    with Page(house, "shadow") as page:
        content = [{"type": "input_text", "text": f"The caller's card is {CARD}."}]
        item = {"type": "message", "role": "user", "content": content}
        asked = house.command(page.call_id, {"type": "conversation.item.create", "item": item}).json()
        assert house.settled(page.call_id, asked["command_id"])["state"] == "confirmed"
        page.types(f"{CARD} is mine.")
        notes = noted(house, page.call_id)
        items = house.events(page.call_id, type="conversation.item.added")
        callers = [one["event"]["item"]["id"] for one in items if f"{CARD} is mine." in str(one)]
        assert [one["item_id"] for one in notes if one["rule"] == "cards"] == callers
