"""Who may do what, over every route that there is: one table, asked through the header of the test set-up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from access import TEST_HEADER
from call_log.store import Store
from realtime.errors import Misconfigured
from tests.token_service.conftest import UPSTREAM
from tests.token_service.test_calls import UNKNOWN, dial, observe
from token_service import create_app
from token_service.settings import Settings

OFFER = {"data": "", "content_type": "application/sdp"}
REPORT: dict[str, Any] = {"json": {"kind": "stats", "rtt_ms": 12}}
# The columns: nobody, Ada on her own call, Ada on Vera's, Otto the operator, the shop that mints tokens.
WHO = {
    "nobody": None,
    "own": "ada; roles=caller",
    "foreign": "ada; roles=caller",
    "operator": "otto; roles=operator",
    "token": "shop; roles=token",
}
Row = tuple[int, int, int, int, int]
ALL_MAY: Row = (401, 202, 404, 202, 404)
OPERATORS_MAY: Row = (401, 403, 404, 202, 404)
COMMANDS: list[tuple[dict[str, Any], Row]] = [
    *(({"type": kind}, ALL_MAY) for kind in ("interrupt", "response.cancel", "output_audio_buffer.clear")),
    *(
        ({"type": kind}, OPERATORS_MAY)
        for kind in ("mute", "unmute", "hang_up", "input_audio_buffer.clear", "response.create")
    ),
    *(({"type": kind, "text": "Hello."}, OPERATORS_MAY) for kind in ("say", "whisper", "instructions")),
    ({"type": "session.update", "session": {}}, OPERATORS_MAY),
    ({"type": "conversation.item.retrieve", "item_id": "i"}, OPERATORS_MAY),
]
TABLE: Mapping[tuple[str, str], tuple[Mapping[str, Any], Row]] = {
    ("POST", "/connect"): (OFFER, (401, 400, 400, 403, 403)),
    ("GET", "/token?profile=nobodys"): ({}, (401, 403, 403, 403, 422)),
    ("GET", "/calls"): ({}, (401, 403, 403, 200, 403)),
    ("GET", "/calls/{call_id}"): ({}, (401, 200, 404, 200, 404)),
    ("DELETE", "/calls/{call_id}"): ({}, (401, 202, 404, 202, 404)),
    ("DELETE", "/calls/{call_id}/record"): ({}, (401, 404, 404, 409, 404)),
    ("GET", "/calls/{call_id}/events"): ({}, (401, 200, 404, 200, 404)),
    ("GET", "/calls/{call_id}/transcript"): ({}, (401, 200, 404, 200, 404)),
    ("POST", "/calls/{call_id}/reports"): (REPORT, (401, 202, 404, 202, 404)),
    ("GET", "/calls/{call_id}/commands"): ({}, (401, 404, 404, 200, 404)),
    ("GET", "/calls/{call_id}/commands/otto-1"): ({}, (401, 404, 404, 200, 404)),
    ("GET", "/calls/{call_id}/commands/ada-1"): ({}, (401, 200, 404, 200, 404)),
    **{("POST", f"/calls/{{call_id}}/commands#{said['type']}"): ({"json": said}, row) for said, row in COMMANDS},
    **{("GET", page): ({}, (200,) * 5)
       for page in ("/", "/talk.html", "/calls.html", "/call.html", "/static/icon.svg", "/healthz", "/readyz")},
}  # fmt: skip


@pytest.fixture
def web(app: Flask, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The application, told to believe the tests' header."""
    monkeypatch.setenv("SWITCHBOARD_TEST_PRINCIPALS", "1")
    return create_app(Settings.load()).test_client()


def call_of(web: FlaskClient, store: Store, caller: str) -> str:
    """A call on which Otto and its caller have each left a command."""
    call_id = dial(store, caller=caller).call_id
    for name, role in (("otto", "operator"), (caller, "caller")):
        headers = {TEST_HEADER: f"{name}; roles={role}", "Idempotency-Key": f"{name}-1"}
        left = web.post(f"/calls/{call_id}/commands", json={"type": "interrupt"}, headers=headers)
        assert left.status_code == 202
    return call_id


def ask(web: FlaskClient, method: str, address: str, who: str, more: Mapping[str, Any]) -> Any:
    said = WHO[who]
    if said is None:  # the open loopback lets no other machine in
        return web.open(address, method=method, environ_base={"REMOTE_ADDR": "192.0.2.1"}, **more)
    return web.open(address, method=method, headers={TEST_HEADER: said}, **more)


@pytest.mark.parametrize("column", WHO)
def test_everybody_may_do_what_the_table_says(web: FlaskClient, store: Store, column: str) -> None:
    seen, meant = {}, {}
    for (method, route), (more, row) in TABLE.items():
        call_id = (
            call_of(web, store, "vera" if column == "foreign" else "ada") if "{call_id}" in route else ""
        )
        address = route.partition("#")[0].replace("{call_id}", call_id)
        with ask(web, method, address, column, more) as answer:
            seen[method, route] = answer.status_code
        meant[method, route] = row[list(WHO).index(column)]
    assert seen == meant


def test_the_table_has_every_route(app: Flask) -> None:
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    plain = {(method, re.split(r"[#?]", route)[0]) for method, route in TABLE}
    told = {(method, re.sub(r"commands/.+", "commands/{command_id}", route)) for method, route in plain}
    assert {(method, route.replace("/static/icon.svg", "/static/{name}")) for method, route in told} == served


@pytest.mark.parametrize(("method", "route"), [key for key in TABLE if "{call_id}" in key[1]])
def test_a_foreign_call_answers_as_an_unknown_one(
    web: FlaskClient, store: Store, method: str, route: str
) -> None:
    more, address = TABLE[method, route][0], route.partition("#")[0]
    answers = [
        ask(web, method, address.replace("{call_id}", call_id), "foreign", more)
        for call_id in (call_of(web, store, "vera"), UNKNOWN, "nonsense")
    ]
    told = [answer.get_json() | {"request_id": ""} for answer in answers]
    assert told[0] == told[1] == told[2]
    assert [set(answer.headers.keys()) for answer in answers[1:]] == [set(answers[0].headers.keys())] * 2


def test_a_caller_sees_its_browsers_view_and_no_commands(web: FlaskClient, store: Store) -> None:
    call = dial(store, caller="ada")
    observe(store, call, b'{"type": "session.created", "event_id": "e1", "session": {"instructions": "S"}}')
    mine = ask(web, "GET", f"/calls/{call.call_id}", "own", {}).get_json()
    all_of_it = ask(web, "GET", f"/calls/{call.call_id}", "operator", {}).get_json()
    assert mine["upstream_call_id"] is None and "commands" not in mine and "muted" not in mine
    assert all_of_it["upstream_call_id"] and all_of_it["commands"] == [] and all_of_it["muted"] is False
    events = f"/calls/{call.call_id}/events"
    assert ask(web, "GET", events, "own", {}).get_json()["events"] == []
    assert len(ask(web, "GET", events, "operator", {}).get_json()["events"]) == 1


def test_an_operator_sees_the_newest_commands_with_the_call(web: FlaskClient, store: Store) -> None:
    call = dial(store, caller="ada")
    for n in range(22):
        said = {"type": "mute" if n == 0 else "interrupt", "event_id": f"n{n}"}
        assert (
            ask(web, "POST", f"/calls/{call.call_id}/commands", "operator", {"json": said}).status_code == 202
        )
    shown = ask(web, "GET", f"/calls/{call.call_id}", "operator", {}).get_json()
    assert [one["command_id"] for one in shown["commands"]] == [f"n{n}" for n in range(21, 1, -1)]
    newest = shown["commands"][0]
    assert (newest["type"], newest["state"], newest["by"]) == ("interrupt", "queued", "otto")
    assert shown["muted"] is False, "a mute that was not sent mutes nobody"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("ada; roles=caller", 200),
        ("ada;roles=operator,caller", 200),
        ("ada; roles=", 403),
        ("ada", 400),
        ("ada; roles=god", 400),
        ("; roles=operator", 400),
        ("two words; roles=operator", 400),
    ],
)
def test_the_header_names_a_subject_and_roles(web: FlaskClient, said: str, status: int) -> None:
    answer = web.get(
        "/calls" if status != 200 or "operator" in said else "/healthz", headers={TEST_HEADER: said}
    )
    assert answer.status_code == status


def test_the_header_is_refused_where_no_test_set_up_is(app: Flask, web: FlaskClient) -> None:
    header = {TEST_HEADER: "mallory; roles=operator"}
    without = app.test_client().get("/calls", headers=header)
    assert (without.status_code, without.get_json()["code"]) == (403, "no_test_set_up")
    for more in ({"REMOTE_ADDR": "192.0.2.1"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}):
        answer = web.get("/calls", headers=header, environ_base=more)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "no_test_set_up")


def test_without_the_open_loopback_the_set_up_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", UPSTREAM)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/calls.db")
    monkeypatch.setenv("SWITCHBOARD_TEST_PRINCIPALS", "1")
    monkeypatch.delenv("SWITCHBOARD_OPEN_LOOPBACK", raising=False)
    with pytest.raises(Misconfigured, match="SWITCHBOARD_OPEN_LOOPBACK=1 as well"):
        Settings.load()
