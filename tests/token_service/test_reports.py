"""POST /calls/<id>/reports: what the browser tells of its call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from call_log import calls, inbox
from call_log.store import Store
from tests.token_service.test_calls import NOW, UNKNOWN, dial


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def report(web: FlaskClient, call: calls.Call, said: Any, **more: Any) -> TestResponse:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return web.post(f"/calls/{call.call_id}/reports", data=body, content_type="application/json", **more)


def left_for(store: Store, call: calls.Call) -> list[Any]:
    with store.writing() as db:
        calls.claim(db, "node_of_otto", limit=9, at=NOW)
        return [message for message in inbox.waiting(db, "node_of_otto") if message.number == call.number]


def test_it_leaves_a_report_for_the_holder(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    answer = report(web, call, {"kind": "stats", "rtt_ms": 12.5, "lost": 0, "codec": "opus", "muted": False})

    assert (answer.status_code, answer.get_json()) == (202, {"id": call.call_id, "state": "answered"})
    (message,) = left_for(store, call)
    assert (message.kind, message.by) == ("report", "loopback")
    assert json.loads(message.body)["rtt_ms"] == 12.5


@pytest.mark.parametrize(
    "said",
    [
        b"", b"{", b"[]", b"7", {}, {"kind": "nonsense"}, {"kind": 7}, {"kind": "stats", "deep": {"a": 1}},
        {"kind": "stats", "list": [1]}, {"kind": "stats", **{f"f{n}": n for n in range(64)}},
        b'{"kind": "stats", "n": NaN}', b'{"kind": "stats", "x": "\\ud800"}',
    ],
)  # fmt: skip
def test_it_refuses_what_is_no_flat_report(web: FlaskClient, store: Store, said: Any) -> None:
    call = dial(store)
    answer = report(web, call, said)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_report"), answer.text
    assert left_for(store, call) == []


def test_it_bounds_size_and_rate(web: FlaskClient, store: Store) -> None:
    call, other = dial(store), dial(store)
    largest = {"kind": "stats", "x": "x" * (16 * 1024 - 26)}
    assert len(json.dumps(largest)) == 16 * 1024

    assert report(web, call, json.dumps(largest).encode() + b" ").status_code == 413
    statuses = [report(web, call, largest).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]
    assert report(web, call, {"kind": "stats"}).headers["Retry-After"] == "1"
    assert report(web, other, {"kind": "stats"}).status_code == 202


def test_it_takes_no_report_of_a_call_that_is_over_or_foreign(web: FlaskClient, store: Store) -> None:
    call = dial(store, answered=False)
    with store.writing() as db:
        calls.fail(db, call.call_id, code="x", detail=None, at=NOW)
    late = report(web, call, {"kind": "leaving"})
    assert (late.status_code, late.get_json()["state"]) == (202, "failed")
    assert left_for(store, call) == []
    answer = web.post(f"/calls/{UNKNOWN}/reports", json={"kind": "leaving"})
    assert answer.get_json()["code"] == "no_such_call"
    answer = report(web, dial(store), {"kind": "leaving"}, headers={"Origin": "https://evil.example"})
    assert answer.get_json()["code"] == "no_grant"
    assert report(web, dial(store), b"{}", query_string={"x": 1}).get_json()["code"] == "bad_query"
