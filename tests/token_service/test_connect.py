"""POST /connect over the WSGI application; the upstream is single HTTP answers. The whole walk is in journeys/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import responses
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from call_log import calls, nodes
from call_log.store import Store, StoreUnavailable
from tests.processes import until
from tests.token_service.conftest import UPSTREAM
from token_service.connect import OFFER_MAX_BYTES
from token_service.negotiation import wall_clock

MINT, CALLS = f"{UPSTREAM}/openai/v1/realtime/client_secrets", f"{UPSTREAM}/openai/v1/realtime/calls"
OFFER = b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
ANSWER = b"v=0\r\no=- 2 2 IN IP4 0.0.0.0\r\n"
LOCATION = "/v1/realtime/calls/rtc_990b6ba8f11341c9b697c970849587c1"
WIRE = json.loads((Path(__file__).parents[1] / "wire" / "azure_mint_and_call.json").read_text())


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def post(web: FlaskClient, offer: bytes = OFFER, kind: str = "application/sdp", **more: Any) -> TestResponse:
    return web.post("/connect", data=offer, content_type=kind, **more)


def upstream(answer: bytes = ANSWER, location: str | None = LOCATION, status: int = 201) -> None:
    responses.post(MINT, json={"value": "ek_1", "expires_at": 2_000_000_000, "session": {}})
    headers = {"Location": location} if location else {}
    responses.post(
        CALLS, body=answer, status=status, headers=headers, content_type="text/plain; charset=utf-8"
    )


def only_call(store: Store) -> calls.Call:
    with store.reading() as db:
        (call,) = calls.list_page(db, limit=10)
    return call


def assert_problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.get_json(force=True)
    assert problem["code"] == code and problem["status"] == status and problem["error"] == problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    return problem


@responses.activate
def test_it_answers_an_offer_with_the_upstreams_sdp_and_the_calls_address(
    web: FlaskClient, store: Store
) -> None:
    upstream()

    answer = post(web)

    call = only_call(store)
    assert (answer.status_code, answer.data, answer.mimetype) == (201, ANSWER, "application/sdp")
    assert (
        answer.headers["Location"] == f"/calls/{call.call_id}" and answer.headers["X-Call-Id"] == call.call_id
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert (call.state, call.upstream_call_id, call.caller, call.profile) == (
        "answered", "rtc_990b6ba8f11341c9b697c970849587c1", "loopback", "default",
    )  # fmt: skip


@responses.activate
def test_it_speaks_azures_two_steps_and_sends_the_offer_byte_for_byte(web: FlaskClient) -> None:
    upstream()
    post(web)

    mint, call = (exchange.request for exchange in responses.calls)
    assert mint.headers["api-key"] == "a-key-of-the-tests" and "Authorization" not in mint.headers
    asked = json.loads(mint.body or b"")
    assert asked["expires_after"] == {"anchor": "created_at", "seconds": 60}
    assert asked["session"]["type"] == "realtime" and asked["session"]["model"]
    assert call.headers["Authorization"] == "Bearer ek_1" and "api-key" not in call.headers
    assert call.headers["Content-Type"] == "application/sdp" and call.body == OFFER
    assert (call.url or "").endswith("/calls?webrtcfilter=on")


@responses.activate
def test_it_takes_the_offer_from_a_form_with_profile_consent_and_metadata(
    web: FlaskClient, store: Store
) -> None:
    upstream()
    form = {"sdp": OFFER.decode(), "profile": "default", "consent": "v3, yes", "metadata": '{"order": 4711}'}

    answer = web.post("/connect", data=form, content_type="multipart/form-data")

    assert answer.status_code == 201
    assert responses.calls[1].request.body == OFFER
    assert (only_call(store).consent, only_call(store).metadata) == ("v3, yes", '{"order": 4711}')


@responses.activate
@pytest.mark.parametrize(
    ("offer", "kind", "status", "code"),
    [
        (b"", "application/sdp", 400, "no_offer"),
        (b" \r\n", "application/sdp", 400, "no_offer"),
        (b"hello", "application/sdp", 422, "not_an_offer"),
        (b"v=0\r\n", "application/sdp", 422, "not_an_offer"),
        (b"\x00\xff\xfe" * 100, "application/sdp", 422, "not_an_offer"),
        (OFFER + b"\xff", "application/sdp", 422, "not_an_offer"),
        (OFFER + b"\0", "application/sdp", 422, "not_an_offer"),
        (OFFER + b"a" * (OFFER_MAX_BYTES - len(OFFER) + 1), "application/sdp", 413, "too_large"),
        (b"a" * (128 * 1024 + 1), "application/sdp", 413, "too_large"),
        (b"a" * 10_000_000, "multipart/form-data; boundary=x", 413, "too_large"),
        (OFFER, "text/plain", 415, "unsupported_media_type"),
        (OFFER, "application/json", 415, "unsupported_media_type"),
        (OFFER, "", 415, "unsupported_media_type"),
        (b"garbage", "multipart/form-data; boundary=x", 400, "no_offer"),
        (b"garbage", "multipart/form-data", 400, "no_offer"),
    ],
)
def test_it_refuses_what_is_no_offer_and_spends_nothing(
    web: FlaskClient, store: Store, offer: bytes, kind: str, status: int, code: str
) -> None:
    assert_problem(post(web, offer, kind), status, code)
    assert len(responses.calls) == 0
    with store.reading() as db:
        assert calls.list_page(db, limit=1) == []


@responses.activate
def test_it_takes_an_offer_of_exactly_the_limit(web: FlaskClient) -> None:
    upstream()
    assert post(web, OFFER + b"a" * (OFFER_MAX_BYTES - len(OFFER))).status_code == 201


@responses.activate
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("profile=nobody", 422, "unknown_profile"),
        ("profile=", 400, "bad_query"),
        ("model=gpt-x", 400, "bad_query"),
        ("api_base=http://canary", 400, "bad_query"),
        ("metadata=[1]", 400, "bad_query"),
        ("metadata={", 400, "bad_query"),
        ("consent=" + "x" * 1025, 400, "bad_query"),
        ("profile=default&profile=default", 400, "bad_query"),
    ],
)
def test_it_refuses_fields_that_nobody_may_set(web: FlaskClient, query: str, status: int, code: str) -> None:
    assert_problem(web.post(f"/connect?{query}", data=OFFER, content_type="application/sdp"), status, code)
    assert len(responses.calls) == 0


@responses.activate
def test_it_refuses_a_form_with_fields_that_nobody_may_set(web: FlaskClient) -> None:
    for more in ({"instructions": "hi"}, {"session": "{}"}):
        form = {"sdp": OFFER.decode(), **more}
        assert_problem(web.post("/connect", data=form, content_type="multipart/form-data"), 400, "bad_query")
    assert len(responses.calls) == 0


@responses.activate
def test_it_refuses_an_encoded_body(web: FlaskClient) -> None:
    assert_problem(post(web, headers={"Content-Encoding": "gzip"}), 415, "unsupported_media_type")


@responses.activate
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"X-Forwarded-For": "127.0.0.1"},
    ],
)
def test_it_lets_no_foreign_page_and_no_proxy_spend(web: FlaskClient, headers: dict[str, str]) -> None:
    answer = post(web, headers=headers)
    assert_problem(answer, 401, "no_grant")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert len(responses.calls) == 0


@responses.activate
def test_it_opens_no_call_without_a_living_observer(web: FlaskClient, store: Store) -> None:
    with store.writing() as db:
        nodes.leave(db, "node_of_otto")

    answer = post(web)

    problem = assert_problem(answer, 503, "no_observer")
    assert "python -m observer" in problem["detail"] and answer.headers["Retry-After"] == "2"
    assert len(responses.calls) == 0


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "ours", "code"),
    [
        (400, {"error": {"code": "invalid_offer", "message": "CANARY"}}, 422, "offer_rejected"),
        (401, {"error": {"message": "CANARY"}}, 502, "upstream_auth"),
        (403, {"error": {"message": "CANARY"}}, 502, "upstream_forbidden"),
        (404, {"error": {"code": "DeploymentNotFound", "message": "CANARY"}}, 502, "upstream_config"),
        (429, {"error": {"message": "CANARY"}}, 503, "upstream_busy"),
        (500, {"error": {"message": "CANARY"}}, 502, "upstream_failed"),
    ],
)
def test_it_says_whose_fault_it_is_and_never_repeats_the_upstreams_words(
    web: FlaskClient, store: Store, status: int, body: dict[str, Any], ours: int, code: str
) -> None:
    responses.post(MINT, json={"value": "ek_1", "expires_at": 2_000_000_000, "session": {}})
    responses.post(CALLS, json=body, status=status)

    answer = post(web)

    assert_problem(answer, ours, code)
    assert "CANARY" not in answer.text
    call = only_call(store)
    assert (call.state, call.failure_code) == ("failed", code)
    assert "CANARY" in (call.failure_detail or "")


@responses.activate
@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b"x" * 300_000])
def test_it_wishes_the_call_hung_up_when_the_answer_is_no_sdp(
    web: FlaskClient, store: Store, answer: bytes
) -> None:
    upstream(answer)

    assert_problem(post(web), 502, "upstream_garbled")

    call = only_call(store)
    assert (call.state, call.hang_up_reason) == ("answered", "upstream_error")
    assert call.upstream_call_id == "rtc_990b6ba8f11341c9b697c970849587c1"


@responses.activate
def test_it_gives_the_answer_of_a_call_that_nobody_can_observe(web: FlaskClient, store: Store) -> None:
    upstream(location=None)

    assert post(web).status_code == 201
    assert only_call(store).state == "unobserved"


@responses.activate
@pytest.mark.parametrize(
    "location", ["//evil.example/x", "/v1/realtime/calls/rtc_a%2f..", "/v1/calls/../../x", "rtc"]
)
def test_it_withholds_the_answer_of_a_call_with_an_evil_address(web: FlaskClient, location: str) -> None:
    upstream(location=location)

    assert_problem(post(web), 502, "upstream_garbled")
    assert all((exchange.request.url or "").startswith(UPSTREAM) for exchange in responses.calls)


@responses.activate
def test_it_follows_no_redirect(web: FlaskClient) -> None:
    responses.post(MINT, json={"value": "ek_1", "expires_at": 2_000_000_000, "session": {}})
    responses.post(CALLS, status=307, headers={"Location": "https://canary.example/v1/realtime/calls/rtc_x"})

    assert_problem(post(web), 502, "upstream_garbled")
    assert [exchange.request.url for exchange in responses.calls] == [MINT, f"{CALLS}?webrtcfilter=on"]


@responses.activate
def test_it_hangs_up_itself_when_the_store_is_gone_after_the_201(
    web: FlaskClient, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("token_service.negotiation.CONNECT_SECONDS", 3.0)

    def lock_the_store(request: Any) -> tuple[int, dict[str, str], bytes]:
        (tmp_path / "calls.db").rename(tmp_path / "gone.db")
        return 201, {"Location": LOCATION}, ANSWER

    responses.post(MINT, json={"value": "ek_1", "expires_at": 2_000_000_000, "session": {}})
    responses.add_callback(responses.POST, CALLS, lock_the_store)
    responses.post(f"{CALLS}/rtc_990b6ba8f11341c9b697c970849587c1/hangup")

    assert_problem(post(web), 503, "store_unavailable")
    until(lambda: str(responses.calls[-1].request.url).endswith("/hangup"), "the hang-up")


@responses.activate
def test_it_takes_what_azure_really_said(web: FlaskClient, store: Store) -> None:
    mint, call = WIRE["exchanges"]
    responses.post(MINT, json=mint["response"]["json"])
    responses.post(CALLS, body=call["response"]["text"], status=201, headers=call["response"]["headers"])

    answer = post(web)

    assert (answer.status_code, answer.data.decode()) == (201, call["response"]["text"])
    assert only_call(store).upstream_call_id == call["response"]["headers"]["location"].rpartition("/")[2]


@responses.activate
def test_a_call_that_the_upstream_took_is_written_down_for_as_long_as_its_browser_may_wait(
    web: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream()
    answer, busy = calls.answer, iter([True, True])
    tried_at: list[int] = []

    def answer_later(*args: Any, **more: Any) -> Any:
        tried_at.append(wall_clock())
        if next(busy, False):
            raise StoreUnavailable("busy")
        return answer(*args, **more)

    monkeypatch.setattr(calls, "answer", answer_later)
    assert post(web).status_code == 201
    call = only_call(store)
    assert call.state == "answered"
    assert call.answered_at is not None and call.answered_at <= tried_at[0], "not when it could be written"
