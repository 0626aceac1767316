"""What every answer has, health, tokens, and a start that stops with one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import responses
from flask import Flask
from flask.testing import FlaskClient

from call_log import nodes
from call_log.store import Store
from tests.processes import ROOT, clean_environment
from tests.token_service.conftest import UPSTREAM
from token_service import create_app

STANDING = {
    "AZURE_OPENAI_ENDPOINT": UPSTREAM,
    "AZURE_OPENAI_API_KEY": "a-key-of-the-tests",
    "SWITCHBOARD_OPEN_LOOPBACK": "1",
}


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def test_every_answer_has_the_headers_that_protect_its_reader(web: FlaskClient) -> None:
    for path in ("/", "/calls.html", "/call.html?id=x", "/static/talk.js", "/calls", "/healthz", "/nothing"):
        with web.get(path) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert (
            "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Request-Id"].startswith("req_")
        assert "Access-Control-Allow-Origin" not in headers
        assert "microphone=(self)" in headers["Permissions-Policy"]


def test_the_talk_page_alone_may_speak_with_the_upstream_itself(web: FlaskClient) -> None:
    def may_connect_to(path: str) -> str:
        with web.get(path) as page:
            policy = page.headers["Content-Security-Policy"]
        return next(part.strip() for part in policy.split(";") if "connect-src" in part)

    assert may_connect_to("/") == may_connect_to("/talk.html") == f"connect-src 'self' {UPSTREAM}"
    assert may_connect_to("/calls.html") == may_connect_to("/call.html") == "connect-src 'self'"


@pytest.mark.parametrize(
    "path", ["/metrics", "/.env", "/static/../README.md", "/static/%2e%2e/README.md", "/console"]
)
def test_it_serves_nothing_that_is_no_page_of_ours(web: FlaskClient, path: str) -> None:
    answer = web.get(path)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(web: FlaskClient) -> None:
    answer = web.get("/connect")
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_it_is_ready_only_while_an_observer_lives(web: FlaskClient, store: Store) -> None:
    assert web.get("/readyz").get_json() == {
        "status": "ready", "reasons": [], "upstream": "azure", "emulator": False,
    }  # fmt: skip
    with store.writing() as db:
        nodes.leave(db, "node_of_otto")

    answer = web.get("/readyz")

    assert (answer.status_code, answer.get_json()["status"]) == (503, "not_ready")
    assert "python -m observer" in answer.get_json()["reasons"][0]
    assert web.get("/healthz").get_json() == {"status": "ok"}


@responses.activate
def test_it_mints_a_token_that_lives_a_minute(web: FlaskClient) -> None:
    minted = {"value": "ek_1", "expires_at": 2_000_000_000, "session": {"id": "sess_1"}}
    responses.post(f"{UPSTREAM}/openai/v1/realtime/client_secrets", json=minted)

    answer = web.get("/token")

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.get_json() == {
        "token": "ek_1",
        "expires_at": 2_000_000_000,
        "endpoint": f"{UPSTREAM}/openai/v1",
        "calls_url": f"{UPSTREAM}/openai/v1/realtime/calls?webrtcfilter=on",
        "deployment": "gpt-realtime",
        "profile": "default",
    }
    assert json.loads(responses.calls[0].request.body or b"")["expires_after"]["seconds"] == 60


@responses.activate
def test_it_mints_nothing_for_an_unknown_profile(web: FlaskClient) -> None:
    assert web.get("/token?profile=nobody").get_json()["code"] == "unknown_profile"
    assert web.get("/token?seconds=7200").get_json()["code"] == "bad_query"
    assert len(responses.calls) == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"AZURE_OPENAI_ENDPOINT": ""}, "no upstream is configured: set AZURE_OPENAI_ENDPOINT"),
        ({"OPENAI_API_KEY": "sk-1"}, "two upstreams are configured"),
        ({"SWITCHBOARD_UPSTREAM": "gcp"}, "SWITCHBOARD_UPSTREAM is wrong"),
        ({"SWITCHBOARD_UPSTREAM": "openai"}, "set OPENAI_API_KEY"),
        ({"SWITCHBOARD_OPEN_LOPBACK": "1"}, "SWITCHBOARD_OPEN_LOPBACK is no setting of Switchboard"),
        ({"SWITCHBOARD_OPEN_LOOPBACK": ""}, "nobody could be let in: set SWITCHBOARD_OPEN_LOOPBACK=1"),
        ({"SWITCHBOARD_OPEN_LOOPBACK": "maybe"}, "SWITCHBOARD_OPEN_LOOPBACK is wrong"),
        ({"AZURE_OPENAI_ENDPOINT": "http://upstream.example"}, "must begin with https://"),
        ({"AZURE_OPENAI_ENDPOINT": "upstream"}, "AZURE_OPENAI_ENDPOINT must be a whole address"),
        ({"AZURE_RESOURCE": "mine"}, "AZURE_OPENAI_ENDPOINT and AZURE_RESOURCE name the same thing"),
        ({"AZURE_OPENAI_API_KEY": ""}, "Set AZURE_OPENAI_API_KEY, or AZURE_TOKEN_CREDENTIALS"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"SWITCHBOARD_PROFILES": "nowhere.toml"}, "nowhere.toml"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    standing = STANDING | {"DATABASE_URL": f"sqlite:///{tmp_path}/calls.db"}
    for name, value in (standing | change).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as stopped:
        create_app()

    said = str(stopped.value)
    assert said.startswith("switchboard: ") and sentence in said and "\n" not in said
    assert "a-key-of-the-tests" not in said


@pytest.mark.parametrize("program", [["gunicorn", "--bind", "127.0.0.1:0"], ["observer"]])
@pytest.mark.parametrize("missing", ["AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"])
def test_a_program_that_lacks_a_setting_says_so_and_nothing_else(
    tmp_path: Path, program: list[str], missing: str
) -> None:
    environ = (
        clean_environment(tmp_path)
        | STANDING
        | {"DATABASE_URL": f"sqlite:///{tmp_path}/calls.db", missing: ""}
    )
    run = subprocess.run(
        [sys.executable, "-m", *program], env=environ, cwd=ROOT, capture_output=True, timeout=20, text=True
    )
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and missing in run.stderr, (
        run.stdout + run.stderr
    )


def test_it_says_how_to_make_the_call_log(tmp_path: Path) -> None:
    environ = clean_environment(tmp_path) | STANDING | {"DATABASE_URL": f"sqlite:///{tmp_path}/calls.db"}
    run = subprocess.run(
        [sys.executable, "-m", "observer"], env=environ, cwd=ROOT, capture_output=True, text=True
    )
    assert (
        run.returncode == 1 and "python -m call_log upgrade" in run.stderr and "Traceback" not in run.stderr
    )
