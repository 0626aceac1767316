"""The call log over HTTP: the list, one call, its events, hanging up."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses
from flask import Flask
from flask.testing import FlaskClient

from call_log import calls, events, nodes
from call_log.events import EventRow
from call_log.store import Store
from tests.token_service.conftest import UPSTREAM

NOW = 1_800_000_000_000
UNKNOWN = "call_" + "0" * 32


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def dial(store: Store, caller: str = "loopback", answered: bool = True, at: int = NOW) -> calls.Call:
    call_id = calls.new_call_id()
    with store.writing() as db:
        call = calls.dial(db, call_id=call_id, profile="default", model="gpt-realtime", caller=caller, upstream="azure",
                          recording="preferred", metadata='{"order": 1}', consent=None, at=at)  # fmt: skip
        if answered:
            call = calls.answer(db, call_id, upstream_call_id=f"rtc_{call_id[5:]}", upstream_request_id=None,
                                at=at + 1) or call  # fmt: skip
    return call


def observe(store: Store, call: calls.Call, *frames: bytes) -> None:
    with store.writing() as db:
        (claimed,) = calls.claim(db, "node_of_otto", limit=1, at=NOW)
        rows = [EventRow(call.number, n, NOW + n, "upstream", _type(frame), None, frame)
                for n, frame in enumerate(frames, 1)]  # fmt: skip
        assert events.append(db, "node_of_otto", {call.number: claimed.epoch}, rows) == set()


def _type(frame: bytes) -> str:
    try:
        return str(json.loads(frame)["type"])
    except ValueError:
        return "unreadable"


def item(text: str, item_id: str, previous: str | None = None) -> bytes:
    content = [{"type": "input_text", "text": text}]
    said = {"type": "message", "id": item_id, "role": "user", "status": "completed", "content": content}
    added = {
        "type": "conversation.item.added",
        "event_id": f"e_{item_id}",
        "previous_item_id": previous,
        "item": said,
    }
    return json.dumps(added).encode()


def test_it_lists_the_newest_first_page_by_page(web: FlaskClient, store: Store) -> None:
    dialled = [dial(store, at=NOW + n).call_id for n in range(5)]

    first = web.get("/calls?limit=3").get_json()
    second = web.get(f"/calls?limit=3&cursor={first['next_cursor']}").get_json()

    assert [call["id"] for call in first["calls"] + second["calls"]] == dialled[::-1]
    assert second["next_cursor"] is None
    assert first["calls"][0]["created_at"] == "2027-01-15T08:00:00.004Z"


def test_it_lists_what_the_filters_leave(web: FlaskClient, store: Store) -> None:
    waiting, other = dial(store, answered=False), dial(store, caller="ada", at=NOW + 60_000)

    def listed(query: str) -> list[str]:
        return [call["id"] for call in web.get(f"/calls?{query}").get_json()["calls"]]

    assert listed("state=dialling") == [waiting.call_id]
    assert listed("caller=ada") == [other.call_id]
    assert listed("since=2027-01-15T08:00:30Z") == [other.call_id]
    assert listed("until=2027-01-15T08:00:30Z") == [waiting.call_id]
    assert listed(f"upstream_call_id={other.upstream_call_id}") == [other.call_id]
    assert listed("profile=nobody") == []


@pytest.mark.parametrize(
    "path",
    [
        "/calls?limit=0", "/calls?limit=201", "/calls?limit=x", "/calls?state=over", "/calls?since=yesterday",
        "/calls?since=2027-01-15T08:00:30", "/calls?cursor=7", f"/calls?cursor={UNKNOWN}", "/calls?stat=ended",
        "/calls?limit=1&limit=2", "/calls/ID?after=-1", "/calls/ID?after=x", "/calls/ID?after=1e400",
        "/calls/ID?after=99999999999999999999", "/calls/ID/events?limit=1001", "/calls/ID/events?source=nobody",
        "/calls/ID/events?type=", "/calls/ID/events?x=1",
    ],
)  # fmt: skip
def test_it_names_what_is_wrong_with_a_query(web: FlaskClient, store: Store, path: str) -> None:
    answer = web.get(path.replace("ID", dial(store).call_id))

    assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_query"), answer.text
    assert "'" in answer.get_json()["detail"] and "pydantic" not in answer.text


def test_an_unknown_call_and_a_malformed_id_look_alike(web: FlaskClient) -> None:
    def answer(path: str, method: str) -> tuple[int, dict[str, Any]]:
        said = web.open(path, method=method)
        return said.status_code, {**said.get_json(), "request_id": ""}

    for suffix, method in [("", "GET"), ("/events", "GET"), ("", "DELETE")]:
        seen = [
            answer(f"/calls/{call_id}{suffix}", method) for call_id in (UNKNOWN, "call_1", "%27%20OR%201=1--")
        ]
        assert seen[0] == seen[1] == seen[2]
        assert (seen[0][0], seen[0][1]["code"]) == (404, "no_such_call")


def test_it_shows_a_call_with_its_turns_and_later_only_what_changed(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    observe(store, call, item("Hello.", "item_1"), item("Anybody?", "item_2", "item_1"))

    whole = web.get(f"/calls/{call.call_id}").get_json()
    later = web.get(f"/calls/{call.call_id}?after=1").get_json()

    assert [turn["text"] for turn in whole["turns"]] == ["Hello.", "Anybody?"]
    assert (whole["last_seq"], whole["metadata"], whole["upstream"]) == (2, {"order": 1}, "azure")
    assert whole["turns"][0]["started_at"] == "2027-01-15T08:00:00.001Z"
    assert [turn["text"] for turn in later["turns"]] == ["Anybody?"]
    assert web.get(f"/calls/{call.call_id}?after=2").get_json()["turns"] == []


def test_it_shows_events_as_they_came_and_what_is_unreadable_too(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    observe(store, call, item("Hello.", "item_1"), b"\xff not json", b'{"type": "x", "n": 1e999}')

    shown = web.get(f"/calls/{call.call_id}/events").get_json()

    assert [(event["seq"], event["type"]) for event in shown["events"]][:2] == [
        (1, "conversation.item.added"), (2, "unreadable"),
    ]  # fmt: skip
    assert shown["events"][1]["event"] == {"type": "unreadable"}
    assert [(event.get("parse_error"), event.get("raw")) for event in shown["events"]] == [
        (None, None), ("not_utf8", "/yBub3QganNvbg=="), ("not_finite", "eyJ0eXBlIjogIngiLCAibiI6IDFlOTk5fQ=="),
    ]  # fmt: skip
    assert (shown["next_after"], shown["state"]) == (3, "answered")
    assert [
        e["seq"] for e in web.get(f"/calls/{call.call_id}/events?after=1&limit=1").get_json()["events"]
    ] == [2]
    assert web.get(f"/calls/{call.call_id}/events?type=unreadable").get_json()["events"][0]["seq"] == 2


def test_it_takes_a_hang_up_and_takes_it_again(web: FlaskClient, store: Store) -> None:
    call = dial(store)

    first, second = (web.delete(f"/calls/{call.call_id}") for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.get_json() == {"id": call.call_id, "state": "answered"}
    wish = web.get(f"/calls/{call.call_id}").get_json()["hang_up"]
    assert (wish["reason"], wish["by"]) == ("operator_hung_up", "loopback")


@pytest.mark.parametrize(("role", "reason"), [("caller", "caller_hung_up"), ("operator", "operator_hung_up")])
def test_it_says_in_which_role_somebody_hung_up(
    web: FlaskClient, store: Store, role: str, reason: str
) -> None:
    call = dial(store)
    assert web.delete(f"/calls/{call.call_id}?role={role}").status_code == 202
    assert web.get(f"/calls/{call.call_id}").get_json()["hang_up"]["reason"] == reason


def test_it_hangs_up_a_strangers_call_only_as_an_operator(web: FlaskClient, store: Store) -> None:
    call = dial(store, caller="ada")
    assert web.delete(f"/calls/{call.call_id}?role=caller").status_code == 403
    assert web.delete(f"/calls/{call.call_id}?role=boss").status_code == 400
    assert web.delete(f"/calls/{call.call_id}").status_code == 202


@responses.activate
def test_it_hangs_up_itself_when_no_observer_lives(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    with store.writing() as db:
        nodes.leave(db, "node_of_otto")
    hangup = responses.post(f"{UPSTREAM}/openai/v1/realtime/calls/{call.upstream_call_id}/hangup")

    answer = web.delete(f"/calls/{call.call_id}")

    assert (answer.status_code, answer.get_json()["state"], hangup.call_count) == (200, "ended", 1)
    assert web.get(f"/calls/{call.call_id}").get_json()["end"] == {
        "reason": "operator_hung_up",
        "certainty": "stated",
    }
    assert web.delete(f"/calls/{call.call_id}").status_code == 200
    assert hangup.call_count == 1


def test_nobody_from_elsewhere_reads_anything(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    for path in (
        "/calls",
        f"/calls/{call.call_id}",
        f"/calls/{call.call_id}/events",
        f"/calls/{UNKNOWN}",
        "/token",
    ):
        answer = web.get(path, environ_overrides=elsewhere)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "no_grant"), path
    assert web.delete(f"/calls/{call.call_id}", environ_overrides=elsewhere).status_code == 401
    with web.get("/", environ_overrides=elsewhere) as page:
        assert page.status_code == 200
