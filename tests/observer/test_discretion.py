"""What is kept of a call's lines: by rule, in order, and closed where redacting fails. Real processes redact."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
import structlog

from observer.discretion import INLINE_MAX_BYTES, Discretion, Entry
from observer.limits import Limits
from observer.redaction import Redactor, Rule
from realtime.content import LineSource
from realtime.events import header
from realtime.redaction import Redaction
from tests.observer.poison import BY_HAND as POISON

PATIENT = Limits(redaction=20.0, redaction_waited=60.0)
"""For what is to succeed on a machine that is busy."""
FUNCTIONS = "tests.observer.operators_function"
RUNAWAY = Redaction((r"(a+)+$",))
CATASTROPHE = "a" * 60 + "!"


def line(text: str, source: LineSource = "upstream", type: str = "response.output_text.done") -> Entry:
    body = json.dumps({"type": type, "event_id": "event_1", "item_id": "item_1", "text": text}).encode()
    return Entry(source, type, "event_1", body, 1)


async def settle(rule: Rule, entries: list[Entry]) -> list[Entry]:
    kept: list[Entry] = []
    discretion = Discretion(rule, kept.append)
    for entry in entries:
        discretion.take(entry)
    await discretion.settled()
    return kept


def kept(rules: Redaction, entries: list[Entry], limits: Limits = PATIENT) -> list[Entry]:
    """What is kept of these lines under a profile's rules."""

    async def run() -> list[Entry]:
        redactor = Redactor("shop", rules, limits)
        try:
            return await settle(Rule(redactor=redactor), entries)
        finally:
            await redactor.close()

    return asyncio.run(run())


def bodies(entries: list[Entry]) -> list[Any]:
    return [json.loads(entry.body) for entry in entries]


def test_by_default_everything_is_kept_as_it_came() -> None:
    entries = [line("secret"), Entry("upstream", "unreadable", None, b"\xff{", 2)]
    assert asyncio.run(settle(Rule(keeps_everything=True), entries)) == entries


def test_without_content_the_structure_stays_and_nothing_is_noted() -> None:
    entries = [line("secret"), Entry("upstream", "unreadable", None, b"secret", 2)]

    first, second = asyncio.run(settle(Rule(), entries))

    assert json.loads(first.body) == {
        "type": "response.output_text.done", "event_id": "event_1", "item_id": "item_1",
    }  # fmt: skip
    assert json.loads(second.body) == {"type": "unreadable", "bytes": 6}
    assert (first.at, second.type) == (1, "unreadable")


def test_a_type_or_an_id_that_is_no_name_is_not_kept_either() -> None:
    said = {"type": "secret words", "event_id": "secret words"}
    (only,) = asyncio.run(
        settle(Rule(), [Entry("upstream", "secret words", "secret words", json.dumps(said).encode(), 1)])
    )
    assert (only.type, only.event_id) == ("unreadable", None) and b"secret" not in only.body


def test_a_repeated_member_smuggles_nothing_past_the_structure() -> None:
    raw = b'{"type": "x.y", "item_id": "the secret", "item_id": "item_1"}'
    (only,) = asyncio.run(settle(Rule(), [Entry("upstream", "x.y", None, raw, 1)]))
    assert b"secret" not in only.body


def test_patterns_and_then_the_function_see_each_text() -> None:
    rules = Redaction((r"\d{4}", "anna"), f"{FUNCTIONS}:shout")
    (only,) = kept(rules, [line("anna has 1234 and peter")])
    assert json.loads(only.body)["text"] == "[REDACTED] HAS [REDACTED] AND PETER"
    assert json.loads(only.body)["item_id"] == "item_1"


def test_pieces_are_kept_without_their_content_and_all_lines_in_their_order() -> None:
    rules = Redaction(("secret",))
    entries = [
        line("a secret"),
        line("sec", type="response.output_text.delta"),
        line("two", "browser", "browser.note"),
        Entry("upstream", "input_audio_buffer.committed", "event_4",
              b'{"type": "input_audio_buffer.committed", "event_id": "event_4"}', 4),
        Entry("observer", "observer.note", None, b'{"type": "observer.note", "said": "a secret"}', 5),
        line("x" * INLINE_MAX_BYTES + "secret"),
    ]  # fmt: skip

    found = kept(rules, entries)

    assert [entry.type for entry in found] == [entry.type for entry in entries]
    assert [body.get("text", body.get("said")) for body in bodies(found)] == [
        "a [redacted]", None, "two", None, "a [redacted]", "x" * INLINE_MAX_BYTES + "[redacted]",
    ]  # fmt: skip


@pytest.mark.parametrize("source", get_args(LineSource))
def test_whoever_said_it_is_redacted(source: LineSource) -> None:
    item = {"type": "message", "content": [{"type": "input_text", "text": "a secret"}]}
    said = json.dumps({"type": "conversation.item.create", "event_id": "event_1", "item": item}).encode()
    (only,) = kept(Redaction(("secret",)), [Entry(source, "conversation.item.create", "event_1", said, 1)])
    assert json.loads(only.body)["item"]["content"][0]["text"] == "a [redacted]"


def test_what_a_function_raises_or_prints_is_told_by_its_name_alone() -> None:
    entries = [line("one"), line("bad secret"), line("bad again"), line("two"), line("bad once more")]

    found = kept(Redaction((), f"{FUNCTIONS}:picky"), entries)

    note = {"type": "observer.redaction_failed", "cause": "failed", "error": "LookupError"}
    tagged = {
        "type": "response.output_text.done",
        "event_id": "event_1",
        "item_id": "item_1",
        "withheld": "failed",
    }
    said = [body if body.get("text") is None else body["text"] for body in bodies(found)]
    assert said == ["one", note, tagged, tagged, "two", note, tagged]
    assert [entry.source for entry in found].count("observer") == 2


def test_a_function_that_prints_disturbs_nothing() -> None:
    assert bodies(kept(Redaction((), f"{FUNCTIONS}:talkative"), [line("secret")]))[0]["text"] == "quiet"


def test_a_function_that_gives_back_no_text_has_failed() -> None:
    note, tagged = bodies(kept(Redaction((), f"{FUNCTIONS}:forgetful"), [line("secret")]))
    assert (note["error"], tagged["withheld"]) == ("TypeError", "failed") and "text" not in tagged


def test_a_text_that_grows_beyond_all_bounds_is_not_kept() -> None:
    limits = replace(PATIENT, event_max_bytes=1_000)
    note, tagged = bodies(kept(Redaction((), f"{FUNCTIONS}:long_winded"), [line("secret")], limits))
    assert (note["error"], tagged["withheld"]) == ("TooLarge", "failed")


def test_a_process_that_dies_takes_one_event_with_it() -> None:
    note, tagged, last = bodies(kept(Redaction((), f"{FUNCTIONS}:deadly"), [line("die"), line("live")]))
    assert (note["error"], tagged["withheld"], last["text"]) == ("ProcessEnded", "failed", "live")


@pytest.mark.parametrize(
    ("rules", "text"), [(RUNAWAY, CATASTROPHE), (Redaction((), f"{FUNCTIONS}:endless"), "stay")]
)
def test_what_takes_too_long_is_killed_and_the_next_event_redacted(rules: Redaction, text: str) -> None:
    async def run() -> list[Entry]:
        redactor = Redactor("shop", rules, replace(PATIENT, redaction=0.25))
        try:
            # Warmed up first: what follows tells a runaway from a process that starts.
            await asyncio.gather(*(redactor.submit("upstream", line("warm").body) for _ in range(4)))
            return await settle(Rule(redactor=redactor), [line(text), line("fine")])
        finally:
            await redactor.close()

    with structlog.testing.capture_logs() as logs:
        note, tagged, *_ = bodies(asyncio.run(run()))

    assert note == {"type": "observer.redaction_failed", "cause": "timeout", "error": None}
    assert tagged["withheld"] == "timeout" and "text" not in tagged
    assert {"event": "redaction_timed_out", "profile": "shop", "log_level": "warning"} in logs


def test_the_loop_and_other_profiles_go_on_while_a_pattern_runs_away() -> None:
    async def run() -> tuple[int, list[Entry]]:
        bad, good = Redactor("bad", RUNAWAY, PATIENT), Redactor("good", Redaction(("secret",)), PATIENT)
        stuck = Discretion(Rule(redactor=bad), lambda entry: None)
        try:
            stuck.take(line(CATASTROPHE))
            found = await settle(Rule(redactor=good), [line("a secret")] * 50)
            return len(found), found
        finally:
            await asyncio.gather(bad.close(), good.close())

    count, found = asyncio.run(run())
    assert count == 50 and {body["text"] for body in bodies(found)} == {"a [redacted]"}


@pytest.mark.parametrize(
    "limits", [replace(PATIENT, redactions_waiting=1), replace(PATIENT, redactions_waiting_bytes=150)]
)
def test_too_many_events_that_wait_are_kept_as_structure(limits: Limits) -> None:
    found = bodies(kept(Redaction(("secret",)), [line(f"{n} secret") for n in range(5)], limits))
    assert found[0]["text"] == "0 [redacted]"
    assert found[1]["cause"] == "busy" and [body.get("withheld") for body in found[2:]] == ["busy"] * 4


def test_a_process_that_never_starts_is_not_waited_for_for_long() -> None:
    limits = Limits(redaction_waited=0.05)
    rules = Redaction((), "tests.observer.no_such_module:function")
    with structlog.testing.capture_logs() as logs:
        note, tagged = bodies(kept(rules, [line("secret")], limits))
    assert (note["cause"], tagged["withheld"]) == ("busy", "busy")
    assert all("secret" not in str(entry) for entry in logs)


def test_bytes_that_are_no_event_are_counted_and_their_loss_noted() -> None:
    note, tagged = bodies(kept(Redaction(("x",)), [Entry("upstream", "unreadable", None, b"\xffsecret", 1)]))
    assert note["cause"] == "unreadable"
    assert tagged == {"type": "unreadable", "bytes": 7, "withheld": "unreadable"}


def test_an_event_that_is_nested_too_deeply_is_kept_as_structure() -> None:
    raw = b'{"type": "x.y", "deep": ' + b"[" * 900 + b'"secret"' + b"]" * 900 + b"}"
    note, tagged = bodies(kept(Redaction(("x",)), [Entry("upstream", "x.y", None, raw, 1)]))
    assert note["cause"] == "failed" and tagged == {"type": "x.y", "withheld": "failed"}


@pytest.mark.parametrize("rule", [Rule(), Rule(cause="unknown_profile")])
def test_whatever_comes_something_readable_is_kept_of_it(rule: Rule) -> None:
    entries = []
    for raw in POISON:
        said = header(raw)
        entries.append(Entry("upstream", said.type, said.event_id, raw, 1))

    found = [entry for entry in asyncio.run(settle(rule, entries)) if entry.source == "upstream"]

    assert len(found) == len(POISON)
    assert all("type" in body for body in bodies(found))
    assert b"secret" not in b"".join(entry.body for entry in found)


def test_whatever_comes_the_redactor_answers() -> None:
    entries = [Entry("upstream", "x.y", None, raw, 1) for raw in POISON if header(raw).type != "unreadable"]
    found = [entry for entry in kept(Redaction(("secret",)), entries) if entry.source == "upstream"]
    assert len(found) == len(entries) and all("type" in body for body in bodies(found))


def test_of_an_unknown_profile_no_content_is_kept_and_that_is_noted_once() -> None:
    rule = Rule(cause="unknown_profile")
    gap = Entry("observer", "observer.gap", None, b'{"type": "observer.gap", "from_at": 1}', 1)

    found = bodies(asyncio.run(settle(rule, [gap, line("secret"), line("more"), gap])))

    assert [body["type"] for body in found] == [
        "observer.gap", "observer.redaction_failed", *["response.output_text.done"] * 2, "observer.gap",
    ]  # fmt: skip
    assert found[2]["withheld"] == "unknown_profile" and "withheld" not in found[0]


def test_waiting_ends_with_the_last_line_that_was_taken_before() -> None:
    async def run(then: Callable[[Discretion], Awaitable[None]]) -> list[Entry]:
        redactor = Redactor("shop", Redaction(("secret",)), PATIENT)
        found: list[Entry] = []
        discretion = Discretion(Rule(redactor=redactor), found.append)
        try:
            await discretion.settled()
            discretion.take(line("secret"))
            await asyncio.gather(then(discretion), then(discretion))
            return found
        finally:
            await redactor.close()

    assert len(asyncio.run(run(lambda discretion: discretion.settled()))) == 1
