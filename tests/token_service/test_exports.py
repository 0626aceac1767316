"""The call log as files: NDJSON of events, CSV of calls."""

from __future__ import annotations

import csv
import io
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from call_log import calls
from call_log.store import Store
from tests.token_service.test_calls import NOW, dial, item, observe


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def test_it_exports_every_event_one_a_line_by_header_or_by_link(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    observe(store, call, *(item(f"{n}\u2028\u00e4", f"item_{n}", f"item_{n - 1}") for n in range(2500)))

    answer = web.get(f"/calls/{call.call_id}/events", headers={"Accept": "application/x-ndjson"})
    by_link = web.get(f"/calls/{call.call_id}/events?format=ndjson", headers={"Accept": "text/html,*/*"})

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 2501))
    assert lines == [json.loads(line) for line in by_link.text.splitlines()]
    assert lines[7]["event"]["item"]["content"][0]["text"] == "7\u2028\u00e4"
    assert answer.content_type == "application/x-ndjson"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{call.call_id}.ndjson"'
    assert len(web.get(f"/calls/{call.call_id}/events?format=ndjson&after=2400").text.splitlines()) == 100


def test_it_exports_the_calls_of_a_filter_beyond_one_page(web: FlaskClient, store: Store) -> None:
    dialled = [dial(store, at=NOW + n).call_id for n in range(3)]
    dial(store, caller="ada")

    answer = web.get("/calls?format=csv&limit=1&caller=loopback")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == dialled[::-1]
    assert (rows[0]["state"], rows[0]["model"], rows[0]["cost_usd"]) == ("answered", "gpt-realtime", "")
    assert answer.mimetype == "text/csv"
    assert web.get("/calls", headers={"Accept": "text/csv"}).mimetype == "text/csv"
    assert web.get("/calls", headers={"Accept": "text/html,*/*;q=0.8"}).mimetype == "application/json"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_cell_begins_like_a_formula(web: FlaskClient, store: Store, name: str) -> None:
    dial(store, caller=name)
    (row,) = csv.DictReader(io.StringIO(web.get("/calls?format=csv").text))
    assert row["caller"] == f"'{name}"


def test_it_exports_nothing_of_an_unknown_call_and_no_unknown_form(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    assert web.get(f"/calls/{calls.new_call_id()}/events?format=ndjson").get_json()["code"] == "no_such_call"
    assert web.get(f"/calls/{call.call_id}/events?format=csv").get_json()["code"] == "bad_query"
    assert web.get("/calls?format=xlsx").get_json()["code"] == "bad_query"
