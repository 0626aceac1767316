"""Recording modes and redaction through the whole house: what the database files and the logs hold afterwards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime.prices import Prices
from realtime.summary import summarise
from realtime.turns import Conversation
from tests.observer.scenes import OFFER
from tests.player import Attach, Player, Scenario
from tests.processes import House, until
from tests.realtime.pen import Pen

PATIENT = (
    "from observer.__main__ import main; from observer.limits import Limits; "
    "main(Limits(redaction=3.0, redaction_waited=60.0, settling=0.1))"
)
MARK = "zanzibar"
PROFILES = f"""
[default]
model = "gpt-realtime"
transcription = "gpt-4o-transcribe"
instructions = "Never say {MARK}instructions."
[must]
model = "gpt-realtime"
transcription = "gpt-4o-transcribe"
recording = "required"
[numbers]
model = "gpt-realtime"
transcription = "gpt-4o-transcribe"
instructions = "Never say {MARK}instructions."
recording = "metadata"
[dark]
model = "gpt-realtime"
transcription = false
recording = "off"
[shy]
model = "gpt-realtime"
transcription = "gpt-4o-transcribe"
redact.patterns = ["{MARK}[a-z]*"]
[runaway]
model = "gpt-realtime"
transcription = false
redact.patterns = ["(a+)+$"]
"""
LEFT = (1000, "")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, player: Player) -> Iterator[House]:
    """A house with a profile for each mode; the observer has patience with processes on a busy machine."""
    folder = tmp_path_factory.mktemp("modes")
    (folder / "profiles.toml").write_text(PROFILES)
    built = House.build(folder, player.url, SWITCHBOARD_PROFILES=f"{folder}/profiles.toml")
    built.start_observer("-c", PATIENT)
    built.start_web()
    built.ready()
    yield built
    built.stop()


def lines() -> list[bytes]:
    """Marked words on both sides, in instructions, in a tool's arguments and output, typed, spoken and cut off."""
    pen = Pen()
    pen.session()
    pen.write("session.updated", session={
        "model": "gpt-realtime", "instructions": f"Never say {MARK}instructions.",
        "tools": [{"type": "function", "name": "get_weather", "description": f"about {MARK}description"}],
    })  # fmt: skip
    pen.ask(f"where is {MARK}asked today")
    pen.answer(f"It is in {MARK}answered my friend")
    pen.answer_interrupted(
        f"Once there was {MARK}interrupted and then", by=f"stop {MARK}by", done_before=True, truncated=True
    )
    response = pen.begin_response()
    item, call_id = pen.call_tool(response, json.dumps({"city": f"{MARK}arguments"}))
    pen.end_response(response, item, audio_tokens=0)
    pen.give_output(call_id, f"foggy in {MARK}output")
    pen.type(f"thanks {MARK}typed")
    pen.answer(f"welcome {MARK}written", audio=False)
    pen.write(
        "error", error={"type": "invalid_request_error", "code": "odd", "message": f"what is {MARK}error"}
    )
    return [sent.raw for sent in pen.sent]


def conversation() -> list[str | bytes]:
    """The same as frames of a sideband."""
    return list(lines())


def files(house: House) -> bytes:
    """Everything that the house wrote: the database, its WAL, and all logs."""
    found = [
        path.read_bytes() for path in house.folder.rglob("*") if path.is_file() and path.suffix != ".toml"
    ]
    return b"".join(found)


def talk(house: House, player: Player, profile: str, frames: list[str | bytes]) -> dict[str, Any]:
    """A call with these frames from its first moment to its end."""
    player.expect(Scenario([Attach(frames=list(frames), close=LEFT)]))
    answer = house.connect(OFFER, profile=profile)
    assert answer.status_code == 201, answer.text
    return house.ended(answer.headers["X-Call-Id"])


def test_metadata_keeps_the_numbers_and_no_word_in_any_file(house: House, player: Player) -> None:
    scenario = player.expect(Scenario([Attach(frames=conversation())]))
    call_id = house.connect(OFFER, profile="numbers").headers["X-Call-Id"]
    house.observed(call_id)
    assert house.report(call_id, kind="stats", rtt_ms=9, note=f"{MARK}report").status_code == 202
    assert house.report(call_id, kind="leaving", reason=f"my {MARK}reason").status_code == 202
    call = house.ended(call_id)
    assert scenario.hung_up == 1

    assert [(turn["role"], turn["text"]) for turn in call["turns"]] == [
        ("user", ""), ("assistant", ""), ("assistant", ""), ("user", ""), ("tool", ""), ("user", ""), ("assistant", ""),
    ]  # fmt: skip
    summary = call["summary"]
    assert (summary["turns"], summary["tool_calls"], summary["interruptions"], summary["errors"]) == (
        6,
        1,
        1,
        1,
    )
    spoken = Conversation()
    for seq, frame in enumerate(lines(), 1):
        spoken.hear(seq, seq, "upstream", frame)
    expected = summarise(spoken, Prices.load(), "gpt-realtime", "gpt-4o-transcribe")
    assert (summary["usage"], summary["cost"]) == (expected["usage"], expected["cost"])
    assert summary["response_gap_ms"]["count"] == expected["response_gap_ms"]["count"] == 1
    assert call["turns"][4]["tool"]["name"] == "get_weather"
    text = house.get(f"/calls/{call_id}/transcript?format=text").text
    assert text.count("(what was said is not recorded)") == 7
    assert [event["event"] for event in house.events(call_id, source="browser")] == [
        {"type": "browser.stats", "kind": "stats", "rtt_ms": 9},
        {"type": "browser.leaving", "kind": "leaving"},
    ]
    assert MARK.encode() not in files(house)


def test_the_same_words_are_found_where_they_may_be_kept(
    house: House, player: Player, tmp_path: Path
) -> None:
    """The search of the test above can find something: in a house of its own, whose files nobody else reads."""
    profiles = house.environ["SWITCHBOARD_PROFILES"]
    own = House.build(tmp_path, player.url, SWITCHBOARD_PROFILES=profiles).start()
    call = talk(own, player, "default", conversation())
    own.stop()

    said = files(own)
    assert MARK in call["turns"][0]["text"]
    parts = (
        "instructions",
        "asked",
        "answered",
        "interrupted",
        "by",
        "arguments",
        "output",
        "typed",
        "written",
    )
    assert [part for part in parts if f"{MARK}{part}".encode() not in said] == []
    assert MARK not in own.logs()


def test_redacted_words_are_in_no_file_and_the_rest_is(house: House, player: Player) -> None:
    frames = conversation()
    before = MARK.encode() in files(house)

    call = talk(house, player, "shy", frames)

    assert before is False and MARK.encode() not in files(house)
    assert [turn["text"] for turn in call["turns"]][:3] == [
        "where is [redacted] today", "It is in [redacted] my friend", "Once there was [redacted] and then",
    ]  # fmt: skip
    tool = call["turns"][4]["tool"]
    assert (tool["arguments"], tool["output"]) == ('{"city": "[redacted]"}', "foggy in [redacted]")
    upstream = [event["event"] for event in house.events(call["id"], source="upstream")]
    sent = [json.loads(frame) for frame in frames]
    assert [event["event_id"] for event in upstream] == [event["event_id"] for event in sent]
    deltas = [event for event in upstream if event["type"].endswith(".delta")]
    assert deltas and not any("delta" in event for event in deltas)
    assert house.events(call["id"], type="observer.redaction_failed") == []


def test_a_pattern_that_runs_away_costs_its_own_call_a_word_and_nobody_else_anything(
    house: House, player: Player
) -> None:
    bad = {"type": "response.output_text.done", "event_id": "e1", "item_id": "item_1", "text": "a" * 60 + "!"}
    good = bad | {"event_id": "e2", "text": "fine"}
    player.expect(Scenario([Attach(frames=[json.dumps(bad), json.dumps(good)], close=LEFT)]))
    stuck = house.connect(OFFER, profile="runaway").headers["X-Call-Id"]

    other = talk(house, player, "default", [json.dumps(good)])

    assert [
        event["event_id"] for event in (e["event"] for e in house.events(other["id"], source="upstream"))
    ] == ["e2"]
    assert house.ended(stuck)["end"]["reason"] == "upstream_closed"
    shown = [event["event"] for event in house.events(stuck)]
    (note,) = [event for event in shown if event["type"] == "observer.redaction_failed"]
    first, second = [event for event in shown if event["type"] == "response.output_text.done"]
    assert note["cause"] == "timeout"
    assert (first["event_id"], first["withheld"], "text" in first) == ("e1", "timeout", False)
    assert (second["event_id"], second["text"]) == ("e2", "fine")


def test_an_answer_that_must_be_recorded_waits_for_the_observer(house: House, player: Player) -> None:
    scenario = player.expect(Scenario([Attach(404), Attach(404), Attach()]))

    answer = house.connect(OFFER, profile="must")

    assert answer.status_code == 201, answer.text
    assert house.call(answer.headers["X-Call-Id"])["state"] == "observed"
    assert scenario.dialled == ["404", "404", "101"]
    player.end(scenario)
    house.ended(answer.headers["X-Call-Id"])


def test_a_call_that_nobody_can_record_in_time_is_hung_up_and_its_answer_withheld(
    house: House, player: Player
) -> None:
    scenario = player.expect(Scenario([Attach(404)] * 1_000))

    answer = house.connect(OFFER, profile="must")

    assert (answer.status_code, answer.json()["code"]) == (503, "not_observed"), answer.text
    assert answer.headers["Retry-After"] == "2" and "v=0" not in answer.text
    (newest,) = house.get("/calls?profile=must&limit=1").json()["calls"]
    assert house.ended(newest["id"])["end"] == {"reason": "not_observed", "certainty": "stated"}
    assert scenario.hung_up >= 1


def test_a_call_that_is_hung_up_while_it_waits_for_the_observer_is_not_answered(
    house: House, player: Player
) -> None:
    player.expect(Scenario([Attach(404)] * 1_000))
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(house.connect(OFFER, profile="must")))
    caller.start()
    waiting = until(
        lambda: next(iter(house.get("/calls?profile=must&state=answered").json()["calls"]), None),
        "the call that waits",
    )
    house.hang_up(waiting["id"])
    caller.join()

    assert (answers[0].status_code, answers[0].json()["code"]) == (409, "call_ended")
    assert house.ended(waiting["id"])["end"]["reason"] == "operator_hung_up"


def test_what_is_off_has_no_sideband_and_no_event(house: House, player: Player) -> None:
    scenario = player.expect(Scenario([Attach(frames=conversation())]))
    call_id = house.connect(OFFER, profile="dark").headers["X-Call-Id"]
    talk(house, player, "numbers", [])  # the observer has looked since

    assert house.call(call_id)["state"] == "answered" and scenario.dialled == []
    assert house.hang_up(call_id).json()["state"] == "ended"
    assert house.events(call_id) == [] and scenario.hung_up == 1


def test_of_a_profile_that_the_observer_does_not_know_no_content_is_kept(
    house: House, player: Player, tmp_path: Path
) -> None:
    old = tmp_path / "old.toml"
    old.write_text('[default]\nmodel = "gpt-realtime"\ntranscription = false\n')
    own = House.build(tmp_path / "house", player.url, SWITCHBOARD_PROFILES=str(old))
    own.start_observer()
    own.environ["SWITCHBOARD_PROFILES"] = house.environ["SWITCHBOARD_PROFILES"]
    own.start_web()
    own.ready()

    call = talk(own, player, "shy", conversation())
    notes = own.events(call["id"], type="observer.redaction_failed")
    own.stop()

    assert [note["event"]["cause"] for note in notes] == ["unknown_profile"]
    assert MARK.encode() not in files(own)


def test_the_observer_does_not_start_with_rules_that_it_can_not_follow(house: House, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(PROFILES + '[odd]\nmodel = "m"\ntranscription = false\nredact.patterns = ["(a"]\n')
    own = House.build(tmp_path / "house", "http://127.0.0.1:9", SWITCHBOARD_PROFILES=str(wrong))
    observer = own.start_observer()
    assert observer.child.wait(20) == 1
    assert "[odd.redact]: patterns: '(a' is no regular expression" in observer.said()
    assert "Traceback" not in observer.said()
