"""What a caller's day allows at /connect, and what is shown of a call's limits, to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient

from access import Principal
from call_log import calls, spending
from call_log.store import Store
from tests.token_service.conftest import UPSTREAM
from tests.token_service.test_calls import dial, item, observe
from tests.token_service.test_connect import assert_problem, upstream
from tests.token_service.test_modes import connect
from tests.token_service.test_views import ADA, OTTO
from token_service import create_app
from token_service.negotiation import wall_clock

PROFILES = """
[default]
model = "gpt-realtime"
transcription = false
[default.limits]
duration = 600
spend_per_day = 0.5
turns = 1
"""
CENTS_50 = 500_000


def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profiles: str) -> FlaskClient:
    (tmp_path / "profiles.toml").write_text(profiles)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", UPSTREAM)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "a-key-of-the-tests")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/calls.db")
    monkeypatch.setenv("SWITCHBOARD_OPEN_LOOPBACK", "1")
    monkeypatch.setenv("SWITCHBOARD_PROFILES", str(tmp_path / "profiles.toml"))
    return create_app().test_client()


@pytest.fixture
def web(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    return application(tmp_path, monkeypatch, PROFILES)


def has_spent(store: Store, amount: int, at: int, caller: str = "loopback") -> calls.Call:
    call = dial(store, caller=caller, at=at)
    with store.writing() as db:
        (held,) = calls.claim(db, "node_of_otto", limit=1, at=at)
        assert calls.update_held(db, call.number, held.epoch, "node_of_otto", spent=amount)
    return call


@responses.activate
@pytest.mark.parametrize(("amount", "status"), [(CENTS_50 - 1, 201), (CENTS_50, 429), (CENTS_50 + 1, 429)])
def test_a_day_that_is_used_up_opens_no_call(
    web: FlaskClient, store: Store, amount: int, status: int
) -> None:
    has_spent(store, amount, wall_clock())
    upstream()
    answer = connect(web, "default")
    assert answer.status_code == status, answer.text
    if status == 429:
        assert_problem(answer, 429, "spend_limit")
        assert 0 < int(answer.headers["Retry-After"]) <= 86_400
        assert len(responses.calls) == 0


@responses.activate
def test_yesterday_and_what_others_spent_do_not_count(web: FlaskClient, store: Store) -> None:
    has_spent(store, CENTS_50, wall_clock() - spending.DAY_MS)
    has_spent(store, CENTS_50, wall_clock(), caller="ada")
    upstream()
    assert connect(web, "default").status_code == 201


@responses.activate
def test_no_token_for_what_has_limits(web: FlaskClient) -> None:
    assert_problem(web.get("/token"), 403, "needs_connect")
    assert len(responses.calls) == 0


def seen_by(who: Principal, web: FlaskClient, call: calls.Call, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("token_service.principals.from_open_loopback", lambda *_: who)
    return web.get(f"/calls/{call.call_id}").get_json()["limits"]


def test_an_operator_sees_what_is_left_and_the_caller_its_time(
    web: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = wall_clock()
    call = dial(store, caller="ada", at=began - 570_000)
    observe(store, call, item("Hello.", "i1"))
    with store.writing() as db:
        assert calls.update_held(db, call.number, 1, "node_of_otto", spent=100_000)
    duration, day, turns = seen_by(OTTO, web, call, monkeypatch)
    assert (duration["limit"], duration["cap"], duration["near"]) == ("duration", 600, True)
    assert duration["used"] >= 569
    assert day == {"limit": "spend_per_day", "cap": 0.5, "used": 0.1, "near": False}
    assert turns == {"limit": "turns", "cap": 1, "used": 1, "near": True}
    (hers,) = seen_by(ADA, web, call, monkeypatch)
    assert (hers["limit"], hers["cap"]) == ("duration", 600)


def test_where_there_are_none_none_are_shown(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = application(tmp_path, monkeypatch, PROFILES.partition("[default.limits]")[0])
    call = dial(store)
    assert web.get(f"/calls/{call.call_id}").get_json()["limits"] == []


def test_a_limit_of_spend_without_a_price_stops_the_start(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=r"profile default: .*no-such-model has no price"):
        application(tmp_path, monkeypatch, PROFILES.replace("gpt-realtime", "no-such-model"))
