"""What a profile's recording mode and its consent mean at /connect, /token, DELETE and for reports."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient

from call_log import calls, nodes
from call_log.store import Store
from tests.processes import until
from tests.token_service.conftest import UPSTREAM
from tests.token_service.test_connect import CALLS, MINT, OFFER, assert_problem, only_call, post, upstream
from tests.token_service.test_reports import left_for, report
from token_service import create_app
from token_service.settings import Settings

HANG_UP = f"{CALLS}/rtc_990b6ba8f11341c9b697c970849587c1/hangup"
PROFILES = """
[default]
model = "gpt-realtime"
transcription = false
[must]
model = "gpt-realtime"
transcription = false
recording = "required"
[numbers]
model = "gpt-realtime"
transcription = false
recording = "metadata"
[dark]
model = "gpt-realtime"
transcription = false
recording = "off"
[shy]
model = "gpt-realtime"
transcription = false
redact.patterns = ["secret"]
[asked]
model = "gpt-realtime"
transcription = false
consent = "2026-11-v1"
"""


@pytest.fixture
def web(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The application with a profile for each mode."""
    (tmp_path / "profiles.toml").write_text(PROFILES)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", UPSTREAM)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "a-key-of-the-tests")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/calls.db")
    monkeypatch.setenv("SWITCHBOARD_OPEN_LOOPBACK", "1")
    monkeypatch.setenv("SWITCHBOARD_PROFILES", str(tmp_path / "profiles.toml"))
    return create_app(Settings.load()).test_client()


def connect(web: FlaskClient, profile: str, consent: str | None = None) -> Any:
    query = {"profile": profile} | ({"consent": consent} if consent is not None else {})
    return web.post("/connect", query_string=query, data=OFFER, content_type="application/sdp")


def nobody_lives(store: Store) -> None:
    with store.writing() as db:
        nodes.leave(db, "node_of_otto")


def statement(version: str = "2026-11-v1", at: datetime | None = None, **more: Any) -> str:
    return json.dumps({"version": version, "at": (at or datetime.now(UTC)).isoformat(), **more})


# -- consent -------------------------------------------------------------------------------------------------------


@responses.activate
@pytest.mark.parametrize("version", [None, "2025-01-v1", "2026-11-V1"])
def test_without_the_statement_nothing_is_spent_and_the_page_learns_which(
    web: FlaskClient, store: Store, version: str | None
) -> None:
    given = None if version is None else statement(version)
    problem = assert_problem(connect(web, "asked", given), 403, "consent_required")

    assert problem["consent_version"] == "2026-11-v1"
    assert len(responses.calls) == 0
    with store.reading() as db:
        assert calls.list_page(db, limit=1) == []


@responses.activate
@pytest.mark.parametrize(
    "given",
    [
        "yes", "[]", "{}", '{"version": "2026-11-v1"}', '{"version": "2026-11-v1", "at": "yesterday"}',
        '{"version": "2026-11-v1", "at": "2026-11-26T10:00:00"}', '{"version": 1, "at": "2026-11-26T10:00:00Z"}',
        '{"version": "2026-11-v1", "at": "2026-11-26T10:00:00Z", "more": "' + "ü" * 500 + '"}',
    ],
)  # fmt: skip
def test_a_statement_that_can_not_be_is_refused(web: FlaskClient, given: str) -> None:
    assert_problem(connect(web, "asked", given), 400, "bad_consent")
    assert len(responses.calls) == 0


@responses.activate
@pytest.mark.parametrize("age", [timedelta(minutes=-6), timedelta(days=367)])
def test_a_statement_from_a_time_that_can_not_be_is_refused(web: FlaskClient, age: timedelta) -> None:
    assert_problem(connect(web, "asked", statement(at=datetime.now(UTC) - age)), 400, "bad_consent")
    assert len(responses.calls) == 0


@responses.activate
@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=-4), timedelta(days=365)])
def test_a_statement_is_kept_with_the_call_and_its_caller(
    web: FlaskClient, store: Store, age: timedelta
) -> None:
    given = statement(at=datetime.now(UTC) - age, by="the shop's page")
    upstream()

    answer = connect(web, "asked", given)

    assert answer.status_code == 201, answer.text
    call = only_call(store)
    assert (call.consent, call.caller) == (given, "loopback")
    assert web.get(f"/calls/{call.call_id}").get_json()["consent"] == given


@responses.activate
@pytest.mark.parametrize("profile", ["must", "asked"])
def test_no_token_for_what_must_pass_through_us(web: FlaskClient, profile: str) -> None:
    assert_problem(web.get(f"/token?profile={profile}"), 403, "needs_connect")
    assert len(responses.calls) == 0


@responses.activate
def test_a_token_for_the_others(web: FlaskClient) -> None:
    responses.post(MINT, json={"value": "ek_1", "expires_at": 2_000_000_000, "session": {}})
    assert web.get("/token?profile=numbers").status_code == 200


# -- required ------------------------------------------------------------------------------------------------------


@responses.activate
def test_a_call_that_must_be_recorded_and_has_no_name_ends_without_an_answer(
    web: FlaskClient, store: Store
) -> None:
    upstream(location=None)

    assert_problem(connect(web, "must"), 502, "not_observed")

    call = only_call(store)
    assert (call.state, call.end_reason, call.end_certainty) == ("ended", "not_observed", "inferred")


@responses.activate
@pytest.mark.parametrize("profile", ["must", "numbers", "shy"])
def test_every_mode_but_off_needs_an_observer(web: FlaskClient, store: Store, profile: str) -> None:
    nobody_lives(store)
    assert_problem(connect(web, profile), 503, "no_observer")
    assert len(responses.calls) == 0


# -- metadata and redaction ----------------------------------------------------------------------------------------


@responses.activate
@pytest.mark.parametrize(
    ("profile", "kept"), [("default", True), ("numbers", False), ("dark", False), ("shy", False)]
)
def test_the_words_of_a_refusal_are_kept_where_words_are(
    web: FlaskClient, store: Store, profile: str, kept: bool
) -> None:
    responses.post(MINT, json={"error": {"code": "bad", "message": "instructions: SECRET"}}, status=400)

    assert connect(web, profile).status_code == 502

    call = only_call(store)
    assert (call.state, call.failure_code) == ("failed", "upstream_config")
    assert ("SECRET" in (call.failure_detail or "")) is kept and call.failure_detail


@responses.activate
@pytest.mark.parametrize(("profile", "kept"), [("default", True), ("numbers", False), ("shy", False)])
def test_a_report_reaches_the_inbox_without_content_where_that_may_not_be_kept(
    web: FlaskClient, store: Store, profile: str, kept: bool
) -> None:
    upstream()
    connect(web, profile)

    said = {"kind": "stats", "rtt_ms": 12.5, "codec": "opus", "note": "the SECRET", "SECRET": True}
    assert report(web, only_call(store), said).status_code == 202

    (message,) = left_for(store, only_call(store))
    expected = said if kept else {"kind": "stats", "rtt_ms": 12.5, "codec": "opus"}
    assert json.loads(message.body or "") == expected


# -- off -----------------------------------------------------------------------------------------------------------


@responses.activate
def test_a_call_without_recording_needs_no_observer_and_none_may_take_it(
    web: FlaskClient, store: Store
) -> None:
    nobody_lives(store)
    upstream()

    assert connect(web, "dark").status_code == 201

    call = only_call(store)
    assert (call.state, call.recording) == ("answered", "off")
    with store.writing() as db:
        nodes.join(db, "node_of_late", host="here", pid=1, lock_path="/nowhere", version="0")
        assert calls.open_work(db).claimable == 0
        assert calls.claim(db, "node_of_late", limit=9, at=1) == []


@responses.activate
@pytest.mark.parametrize("observer_lives", [True, False])
def test_the_web_itself_hangs_up_a_call_that_nobody_observes(
    web: FlaskClient, store: Store, observer_lives: bool
) -> None:
    if not observer_lives:
        nobody_lives(store)
    upstream()
    responses.post(HANG_UP)
    connect(web, "dark")

    answer = web.delete(f"/calls/{only_call(store).call_id}")

    assert (answer.status_code, answer.get_json()["state"]) == (200, "ended")
    call = only_call(store)
    assert (call.end_reason, call.end_certainty) == ("operator_hung_up", "stated")
    assert [exchange.request.url for exchange in responses.calls].count(HANG_UP) == 1
    assert web.delete(f"/calls/{call.call_id}").status_code == 200


@responses.activate
def test_a_caller_who_leaves_ends_it_and_nothing_that_a_page_says_is_kept(
    web: FlaskClient, store: Store, tmp_path: Path
) -> None:
    upstream()
    responses.post(HANG_UP)
    connect(web, "dark")
    call = only_call(store)

    for kind in ("connection", "stats", "channel"):
        assert report(web, call, {"kind": kind, "note": "SECRET"}).status_code == 202
    assert only_call(store).ended_at is None
    assert report(web, call, {"kind": "leaving", "note": "SECRET"}).status_code == 202

    ended = until(lambda: (now := only_call(store)).ended_at is not None and now, "the end")
    assert (ended.end_reason, ended.end_certainty) == ("caller_hung_up", "stated")
    with sqlite3.connect(tmp_path / "calls.db") as db:
        assert db.execute("SELECT count(*) FROM events").fetchone() == (0,)
        assert not [body for (body,) in db.execute("SELECT body FROM inbox") if "SECRET" in (body or "")]
    db.close()


@responses.activate
@pytest.mark.parametrize("answer", [b"<html>"])
def test_what_goes_wrong_after_its_201_is_hung_up_by_the_web(
    web: FlaskClient, store: Store, answer: bytes
) -> None:
    upstream(answer)
    responses.post(HANG_UP)

    assert_problem(connect(web, "dark"), 502, "upstream_garbled")

    ended = until(lambda: (now := only_call(store)).ended_at is not None and now, "the end")
    assert (ended.state, ended.end_reason) == ("ended", "upstream_error")


@responses.activate
def test_one_that_was_hung_up_while_it_was_dialled_is_hung_up_when_its_name_is_known(
    web: FlaskClient, store: Store
) -> None:
    def hang_up_first(request: Any) -> tuple[int, dict[str, str], bytes]:
        assert web.delete(f"/calls/{only_call(store).call_id}").status_code == 202
        return 201, {"Location": "/v1/realtime/calls/rtc_990b6ba8f11341c9b697c970849587c1"}, OFFER

    responses.post(MINT, json={"value": "ek_1", "expires_at": 2_000_000_000, "session": {}})
    responses.add_callback(responses.POST, CALLS, hang_up_first)
    responses.post(HANG_UP)

    assert_problem(connect(web, "dark"), 409, "call_ended")

    ended = until(lambda: (now := only_call(store)).ended_at is not None and now, "the end")
    assert ended.end_reason == "operator_hung_up"


@responses.activate
def test_without_observers_the_next_call_ends_those_that_the_upstream_has_long_ended(
    web: FlaskClient, store: Store, tmp_path: Path
) -> None:
    nobody_lives(store)
    upstream()
    connect(web, "dark")
    with store.writing() as db:
        db.exec_driver_sql("UPDATE calls SET answered_at = answered_at - 61 * 60 * 1000 - 1000")

    upstream()
    connect(web, "dark")

    with store.reading() as db:
        newer, older = calls.list_page(db, limit=9)
    assert (older.state, older.end_reason, older.end_certainty) == ("ended", "unknown", "inferred")
    assert newer.state == "answered"


def test_the_calls_page_reads_a_call_without_recording(web: FlaskClient, store: Store) -> None:
    with responses.RequestsMock() as mock:
        mock.post(MINT, json={"value": "ek_1", "expires_at": 2_000_000_000, "session": {}})
        mock.post(CALLS, body=b"v=0\r\n", status=201, headers={"Location": "/v1/realtime/calls/rtc_1"})
        connect(web, "dark")
    shown = web.get(f"/calls/{only_call(store).call_id}").get_json()
    assert (shown["recording"], shown["turns"]) == ("off", [])


def test_post_is_the_default_mode(web: FlaskClient, store: Store) -> None:
    with responses.RequestsMock() as mock:
        mock.post(MINT, json={"value": "ek_1", "expires_at": 2_000_000_000, "session": {}})
        mock.post(CALLS, body=b"v=0\r\n", status=201, headers={"Location": "/v1/realtime/calls/rtc_1"})
        assert post(web).status_code == 201
    assert only_call(store).recording == "preferred"
