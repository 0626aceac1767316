"""DELETE /calls/<id>/record: who may, when, and what is shown afterwards."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from call_log import calls, erasure, events
from call_log.events import EventRow
from call_log.store import Store
from tests.token_service.test_calls import NOW, UNKNOWN, dial
from tests.token_service.test_views import ADA, OTTO, SHOP, As, as_, recorded

__all__ = ["as_"]


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def complete(store: Store) -> None:
    """What an observer does."""
    with store.writing() as db:
        left = erasure.unfinished(db, limit=9)
        for call in left:
            assert erasure.empty_a_stretch(db, call).is_empty
    assert store.scrub()
    with store.writing() as db:
        erasure.finish(db, [call.number for call in left], at=NOW)


def test_a_call_that_goes_on_must_be_hung_up_first(as_: As, store: Store) -> None:
    for call in (dial(store), dial(store, answered=False)):
        answer = as_(OTTO).delete(f"/calls/{call.call_id}/record")
        assert (answer.status_code, answer.get_json()["code"]) == (409, "call_live")
        assert "hang it up first" in answer.get_json()["detail"]


def test_it_is_erased_once_and_for_all_who_look(as_: As, store: Store) -> None:
    call = recorded(store)
    assert "Hello." in as_(ADA).get(f"/calls/{call.call_id}").text

    first = as_(OTTO).delete(f"/calls/{call.call_id}/record")
    again = as_(OTTO).delete(f"/calls/{call.call_id}/record")

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.get_json() == again.get_json()
    assert (first.get_json()["id"], first.get_json()["complete"]) == (call.call_id, False)
    # The bytes are still there, and already nobody is shown them.
    for finished in (False, True):
        if finished:
            complete(store)
        for who in (ADA, OTTO):
            shown = as_(who).get(f"/calls/{call.call_id}").get_json()
            assert (shown["turns"], shown["last_seq"], shown["metadata"], shown["state"]) == (
                [],
                7,
                None,
                "ended",
            )
            assert shown["erased"]["by"] == ("otto" if who is OTTO else None)
            assert (shown["erased"]["complete"], shown["summary"]["turns"]) == (finished, 1)
            for path in ("", "/events", "/events?format=ndjson", "/transcript", "/transcript?format=text",
                         "/transcript?format=vtt"):  # fmt: skip
                answer = as_(who).get(f"/calls/{call.call_id}{path}")
                assert (
                    answer.status_code == 200 and "Hello." not in answer.text and "SECRET" not in answer.text
                )
        whole = as_(OTTO).get(f"/calls/{call.call_id}/events").get_json()["events"]
        assert [(event["seq"], event["event"]) for event in whole] == [(seq, None) for seq in range(1, 8)]
    done = as_(OTTO).delete(f"/calls/{call.call_id}/record")
    assert (done.status_code, done.get_json()["complete"]) == (200, True)
    assert as_(OTTO).delete(f"/calls/{call.call_id}").status_code == 200


def test_a_failed_call_can_be_erased_too(as_: As, store: Store) -> None:
    call = dial(store, answered=False)
    with store.writing() as db:
        calls.fail(db, call.call_id, code="x", detail="SECRET", at=NOW)
    assert as_(OTTO).delete(f"/calls/{call.call_id}/record").status_code == 202
    assert as_(OTTO).get(f"/calls/{call.call_id}").get_json()["failure"] == {"code": "x", "detail": None}


def test_only_an_operator_may(as_: As, store: Store) -> None:
    call = recorded(store)
    for who in (ADA, SHOP):
        answer = as_(who).delete(f"/calls/{call.call_id}/record")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "no_such_call")
    assert as_(OTTO).delete(f"/calls/{UNKNOWN}/record").status_code == 404
    assert as_(OTTO).delete(f"/calls/{call.call_id}/record?now=1").get_json()["code"] == "bad_query"
    assert as_(ADA).get(f"/calls/{call.call_id}").get_json()["erased"] is None


def test_nobody_from_elsewhere_may(web: FlaskClient, store: Store) -> None:
    answer = web.delete(
        f"/calls/{recorded(store).call_id}/record", environ_overrides={"REMOTE_ADDR": "192.0.2.7"}
    )
    assert (answer.status_code, answer.get_json()["code"]) == (401, "no_grant")


def test_a_late_report_leaves_no_trace(web: FlaskClient, store: Store) -> None:
    call = recorded(store)
    web.delete(f"/calls/{call.call_id}/record")
    assert (
        web.post(f"/calls/{call.call_id}/reports", json={"kind": "stats", "word": "SECRET"}).status_code
        == 202
    )
    with store.reading() as db:
        assert db.exec_driver_sql("SELECT count(*) FROM inbox WHERE body LIKE '%SECRET%'").scalar_one() == 0


def test_who_erased_what_stands_in_the_log(
    web: FlaskClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    call = recorded(store)
    for _ in range(2):
        web.delete(f"/calls/{call.call_id}/record")
    told = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    (line,) = [line for line in told if line["event"] == "call_erasure_wished"]
    assert (line["call_id"], line["by"]) == (call.call_id, "loopback")


def test_a_file_that_is_being_sent_stops_where_the_call_was_erased(
    web: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("token_service.calls.EXPORTED_AT_ONCE", 2)
    call = dial(store)
    with store.writing() as db:
        (claimed,) = calls.claim(db, "node_of_otto", limit=1, at=NOW)
        rows = [EventRow(call.number, seq, NOW, "upstream", "t", None, b'{"n": 1}') for seq in range(1, 6)]
        events.append(db, "node_of_otto", {call.number: claimed.epoch}, rows)
        calls.update_held(db, call.number, claimed.epoch, "node_of_otto", state="ended", ended_at=NOW, holder=None,
                          end_reason="unknown", end_certainty="inferred")  # fmt: skip
    lines = web.get(f"/calls/{call.call_id}/events?format=ndjson").iter_encoded()
    first = next(lines)
    web.delete(f"/calls/{call.call_id}/record")
    rest = b"".join(lines).splitlines()
    assert b'"n"' in first
    assert [json.loads(line)["event"] for line in rest] == [None] * 3
