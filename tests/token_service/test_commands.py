"""POST /calls/<id>/commands, as far as the web decides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from access import Principal, Role
from call_log import calls, inbox
from call_log import schema as table
from call_log.store import Store
from tests.token_service.test_calls import NOW, UNKNOWN, dial
from token_service import principals

CALLER = Principal("alice", frozenset({Role.CALLER}))


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def ask(web: FlaskClient, call_id: str, asked: Any, **more: Any) -> TestResponse:
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    return web.post(f"/calls/{call_id}/commands", data=body, **({"content_type": "application/json"} | more))


def left_for(store: Store, call: calls.Call) -> list[Any]:
    with store.writing() as db:
        calls.claim(db, "node_of_otto", limit=9, at=NOW)
        waiting = inbox.waiting(db, "node_of_otto")
    return [json.loads(one.body or "") for one in waiting if one.number == call.number]


def test_it_leaves_a_command_for_the_holder_and_tells_where_to_look(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    answer = ask(web, call.call_id, {"type": "whisper", "text": "Be kind."})
    command_id = answer.get_json()["command_id"]
    assert (answer.status_code, answer.get_json()["state"]) == (202, "queued")
    assert answer.headers["Location"] == f"/calls/{call.call_id}/commands/{command_id}"
    (left,) = left_for(store, call)
    assert (left["command_id"], left["source"], left["asked"]["text"]) == (command_id, "operator", "Be kind.")
    shown = web.get(answer.headers["Location"]).get_json()
    assert (shown["state"], shown["by"], shown["peer"]) == ("queued", "loopback", "127.0.0.1")
    assert web.get(f"/calls/{call.call_id}/commands").get_json()["commands"] == [shown]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (b"{", 400, "bad_command"),
        (b"[]", 400, "bad_command"),
        ({"text": "x"}, 400, "bad_command"),
        ({"type": "interrupt", "event_id": "no spaces"}, 400, "bad_command"),
        ({"type": "interrupt", "event_id": 7}, 400, "bad_command"),
        ({"type": "shout"}, 422, "bad_command"),
        ({"type": "say"}, 422, "bad_command"),
        ({"type": "input_audio_buffer.append", "audio": ""}, 422, "bad_command"),
        ({"type": "session.update", "session": {"model": "x"}}, 422, "bad_command"),
        (b"[" * 50_000, 400, "bad_command"),
        (b" " * 70_000, 413, "too_large"),
    ],
)
def test_what_could_never_be_sent_is_refused(
    web: FlaskClient, store: Store, asked: Any, status: int, code: str
) -> None:
    call = dial(store)
    answer = ask(web, call.call_id, asked)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code), answer.text
    assert left_for(store, call) == []


def test_the_id_may_come_as_a_header_and_the_same_again_is_no_second_command(
    web: FlaskClient, store: Store
) -> None:
    call = dial(store)
    header = {"Idempotency-Key": "mine-1"}
    answers = [ask(web, call.call_id, {"type": "interrupt"}, headers=header) for _ in range(3)]
    assert {answer.get_json()["command_id"] for answer in answers} == {"mine-1"}
    assert len(left_for(store, call)) == 1
    other = ask(web, call.call_id, {"type": "mute"}, headers=header)
    assert (other.status_code, other.get_json()["code"]) == (422, "id_reused")


def test_a_call_that_is_over_unknown_or_unobserved_takes_none(web: FlaskClient, store: Store) -> None:
    over, off = dial(store), dial(store)
    with store.writing() as db:
        db.execute(
            update(table.calls).where(table.calls.c.number == over.number).values(state="ended", ended_at=NOW)
        )
        db.execute(update(table.calls).where(table.calls.c.number == off.number).values(recording="off"))
    for call_id, status, code in (
        (over.call_id, 409, "call_ended"),
        (off.call_id, 409, "not_observed"),
        (UNKNOWN, 404, "no_such_call"),
        ("call_x", 404, "no_such_call"),
    ):
        answer = ask(web, call_id, {"type": "interrupt"})
        assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert web.get(f"/calls/{over.call_id}/commands/none").get_json()["code"] == "no_such_command"


@pytest.mark.parametrize("kept", [{"recording": "metadata"}, {"profile": "gone_meanwhile"}])
def test_where_no_word_may_be_stored_no_word_may_wait(
    web: FlaskClient, store: Store, kept: dict[str, str]
) -> None:
    call = dial(store)
    with store.writing() as db:
        db.execute(update(table.calls).where(table.calls.c.number == call.number).values(**kept))
    answer = ask(web, call.call_id, {"type": "whisper", "text": "Zanzibar"})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "keeps_no_words")
    assert ask(web, call.call_id, {"type": "mute"}).status_code == 202


def test_a_caller_may_silence_the_model_on_its_own_call_and_nothing_else(
    web: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, foreign = dial(store, caller="alice"), dial(store, caller="bob")
    monkeypatch.setattr(principals, "from_open_loopback", lambda *_: CALLER)
    assert ask(web, own.call_id, {"type": "interrupt", "event_id": "a"}).status_code == 202
    assert ask(web, own.call_id, {"type": "response.cancel"}).status_code == 202
    for asked in ({"type": "say", "text": "x"}, {"type": "hang_up"}, {"type": "response.create"}):
        answer = ask(web, own.call_id, asked)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    assert ask(web, foreign.call_id, {"type": "interrupt"}).get_json()["code"] == "no_such_call"
    assert web.get(f"/calls/{own.call_id}/commands/a").get_json()["state"] == "queued"
    assert web.get(f"/calls/{own.call_id}/commands").status_code == 404
    assert {one["source"] for one in left_for(store, own)} == {"browser"}


def test_too_many_a_second_are_refused_with_when_to_come_again(
    web: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("token_service.commands.wall_clock", lambda: NOW)
    call = dial(store)
    answers = [ask(web, call.call_id, {"type": "interrupt"}) for _ in range(51)]
    assert [answer.status_code for answer in answers] == [202] * 50 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
