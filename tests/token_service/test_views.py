"""What a caller sees of its own calls, what an operator sees of all, and that a foreign call looks unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from access import Principal, Role
from call_log import calls, events
from call_log.events import EventRow
from call_log.store import Store
from realtime.events import WEBRTC_FILTER_ALLOWED
from tests.token_service.test_calls import NOW, UNKNOWN, dial, item

ADA = Principal("ada", frozenset({Role.CALLER}))
VERA = Principal("vera", frozenset({Role.CALLER}))
OTTO = Principal("otto", frozenset({Role.OPERATOR}))
SHOP = Principal("shop", frozenset({Role.TOKEN}))
As = Callable[[Principal], FlaskClient]


@pytest.fixture
def as_(app: Flask, monkeypatch: pytest.MonkeyPatch) -> As:
    """The web as this principal meets it."""

    def enter(principal: Principal) -> FlaskClient:
        monkeypatch.setattr("token_service.principals.from_open_loopback", lambda *_: principal)
        return app.test_client()

    return enter


def recorded(store: Store) -> calls.Call:
    """A call of Ada's, ended by Otto, with events of every kind."""
    call = dial(store, caller="ada")
    with store.writing() as db:
        (claimed,) = calls.claim(db, "node_of_otto", limit=1, at=NOW)
        calls.wish_hang_up(db, call.call_id, reason="operator_hung_up", by="otto", at=NOW)
        secret = {"type": "session.created", "session": {"instructions": "SECRET"}}
        said = [
            ("upstream", "session.created", json.dumps(secret).encode(), False),
            ("upstream", "conversation.item.added", item("Hello.", "i1"), True),
            ("upstream", "conversation.item.added", system("SECRET"), True),
            ("upstream", "error", b'{"type": "error", "error": {"message": "SECRET"}}', False),
            ("observer", "observer.attached", b'{"type": "observer.attached", "node": "SECRET"}', False),
            ("browser", "browser.stats", b'{"type": "browser.stats"}', False),
            ("upstream", "output_audio_buffer.started", b'{"type": "output_audio_buffer.started"}', True),
        ]
        rows = [EventRow(call.number, seq, NOW, source, type_, None, body, browser)
                for seq, (source, type_, body, browser) in enumerate(said, 1)]  # fmt: skip
        assert events.append(db, "node_of_otto", {call.number: claimed.epoch}, rows) == set()
        assert calls.update_held(
            db, call.number, claimed.epoch, "node_of_otto", state="ended", ended_at=NOW + 9, holder=None,
            end_reason="operator_hung_up", end_certainty="stated",
            summary=json.dumps({"turns": 1, "usage": {"total_tokens": 4711}, "cost": {"usd": "4711"}, "model": "m"}),
        )  # fmt: skip
    return call


def system(text: str) -> bytes:
    content = [{"type": "input_text", "text": text}]
    said = {"type": "message", "id": "i2", "role": "system", "status": "completed", "content": content}
    return json.dumps(
        {"type": "conversation.item.added", "event_id": "e_i2", "previous_item_id": "i1", "item": said}
    ).encode()


def test_a_caller_reads_the_browsers_view_of_its_events(as_: As, store: Store) -> None:
    call = recorded(store)
    shown = as_(ADA).get(f"/calls/{call.call_id}/events").get_json()
    assert [event["seq"] for event in shown["events"]] == [2, 3, 7]
    assert {event["type"] for event in shown["events"]} <= WEBRTC_FILTER_ALLOWED
    assert shown["next_after"] == 7
    exported = as_(ADA).get(f"/calls/{call.call_id}/events?format=ndjson").text
    assert [json.loads(line)["seq"] for line in exported.splitlines()] == [2, 3, 7]
    for asked in ("type=error", "type=session.created", "source=observer", "source=browser", "after=7"):
        assert as_(ADA).get(f"/calls/{call.call_id}/events?{asked}").get_json()["events"] == []


def test_an_operator_reads_them_all(as_: As, store: Store) -> None:
    call = recorded(store)
    shown = as_(OTTO).get(f"/calls/{call.call_id}/events").get_json()
    assert [event["seq"] for event in shown["events"]] == [1, 2, 3, 4, 5, 6, 7]


def test_a_caller_sees_its_call_without_what_is_an_operators(as_: As, store: Store) -> None:
    call = recorded(store)
    hers, his = (as_(who).get(f"/calls/{call.call_id}").get_json() for who in (ADA, OTTO))

    assert [turn["text"] for turn in hers["turns"]] == ["Hello."]
    assert [turn["role"] for turn in his["turns"]] == ["user", "system"]
    assert (hers["upstream_call_id"], his["upstream_call_id"]) == (None, call.upstream_call_id)
    assert (hers["hang_up"]["by"], his["hang_up"]["by"]) == (None, "otto")
    assert hers["hang_up"]["reason"] == "operator_hung_up"
    assert [hers["summary"][name] for name in ("usage", "cost", "model")] == [None] * 3
    assert his["summary"]["usage"] is not None
    assert "SECRET" not in json.dumps(hers) and "otto" not in json.dumps(hers)
    for form in ("json", "text", "vtt"):
        transcript = as_(ADA).get(f"/calls/{call.call_id}/transcript?format={form}").text
        assert "Hello." in transcript and "SECRET" not in transcript
        assert "SECRET" in as_(OTTO).get(f"/calls/{call.call_id}/transcript?format={form}").text


def test_a_failure_keeps_the_upstreams_words_from_a_caller(as_: As, store: Store) -> None:
    call = dial(store, caller="ada", answered=False)
    with store.writing() as db:
        calls.fail(db, call.call_id, code="upstream_failed", detail="SECRET", at=NOW)
    failures = [as_(who).get(f"/calls/{call.call_id}").get_json()["failure"]["detail"] for who in (ADA, OTTO)]
    assert failures == [None, "SECRET"]


@pytest.mark.parametrize("stranger", [VERA, SHOP], ids=["another caller", "a minter of tokens"])
@pytest.mark.parametrize(
    ("method", "suffix"),
    [("GET", ""), ("GET", "/events"), ("GET", "/events?format=ndjson"), ("GET", "/transcript"), ("DELETE", ""),
     ("DELETE", "/record")],
)  # fmt: skip
def test_a_foreign_call_answers_exactly_as_an_unknown_one(
    as_: As, store: Store, stranger: Principal, method: str, suffix: str
) -> None:
    call = recorded(store)

    def answer(call_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        said = as_(stranger).open(f"/calls/{call_id}{suffix}", method=method)
        headers = {name: value for name, value in said.headers.items() if name != "X-Request-Id"}
        return said.status_code, headers, {**said.get_json(), "request_id": ""}

    foreign, unknown = answer(call.call_id), answer(UNKNOWN)
    assert foreign[0] == 404
    assert {**foreign[1], "Content-Length": ""} == {**unknown[1], "Content-Length": ""}
    assert foreign[2] == unknown[2]


def test_the_head_of_the_seal_is_published_with_the_call(as_: As, store: Store) -> None:
    call = recorded(store)
    assert as_(ADA).get(f"/calls/{call.call_id}").get_json()["seal"] is None
    with store.writing() as db:
        db.exec_driver_sql("UPDATE calls SET head = x'00112233445566778899aabbccddeeff'")
    for who in (ADA, OTTO):
        seal = as_(who).get(f"/calls/{call.call_id}").get_json()["seal"]
        assert seal == {"seq": 7, "head": "00112233445566778899aabbccddeeff"}
