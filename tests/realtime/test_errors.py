"""What each status of the upstream means for our own clients."""

from __future__ import annotations

import json

import pytest

from realtime.errors import (
    CredentialUnavailable,
    Step,
    UpstreamUnreachable,
    error_code,
    refusal,
    retry_seconds,
)

SESSION_FAULT = json.dumps(
    {"error": {"code": "unknown_parameter", "param": "session.audio.voice", "message": "x"}}
)
DEPLOYMENT = json.dumps({"error": {"code": "DeploymentNotFound", "message": "x"}})


@pytest.mark.parametrize(
    ("step", "upstream_status", "body", "status", "code"),
    [
        ("mint", 400, "", 502, "upstream_config"),
        ("mint", 422, "", 502, "upstream_config"),
        ("call", 400, '{"error":{"code":"invalid_offer"}}', 422, "offer_rejected"),
        ("call", 422, "", 422, "offer_rejected"),
        ("call", 400, SESSION_FAULT, 502, "upstream_config"),
        ("call", 400, DEPLOYMENT, 502, "upstream_config"),
        ("mint", 401, "", 502, "upstream_auth"),
        ("call", 403, "", 502, "upstream_forbidden"),
        ("mint", 404, "", 502, "upstream_config"),
        ("call", 408, "", 504, "upstream_timeout"),
        ("call", 409, "", 502, "upstream_failed"),
        ("call", 418, "", 502, "upstream_failed"),
        ("call", 429, "", 503, "upstream_busy"),
        ("call", 500, "", 502, "upstream_failed"),
        ("call", 502, "", 502, "upstream_failed"),
        ("call", 503, "", 503, "upstream_busy"),
        ("call", 302, "", 502, "upstream_garbled"),
    ],
)
def test_a_status_gets_our_code_and_never_upstreams_words(
    step: Step, upstream_status: int, body: str, status: int, code: str
) -> None:
    error = refusal(step, upstream_status, body=body or "CANARY", request_id="r1")
    assert (error.status, error.code, error.upstream_status, error.request_id) == (
        status,
        code,
        upstream_status,
        "r1",
    )
    assert "CANARY" not in f"{error} {error.detail}"
    assert (error.retry_after is not None) == (code == "upstream_busy")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 5),
        ("", 5),
        ("0", 1),
        ("1", 1),
        ("120", 120),
        ("121", 120),
        ("9" * 500, 120),
        ("-4", 5),
        ("soon", 5),
        ("nan", 5),
        ("²", 5),
        ("Sat, 21 Nov 2026 00:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 09:00:30 GMT", 120),
        ("Fri, 20 Nov 2026 00:00:00 GMT", 1),
        ("Sat, 99 Nov 99999 00:00:30 GMT", 5),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_held_in_bounds(header: str | None, seconds: int) -> None:
    midnight = 1795219200.0  # 2026-11-21T00:00:00Z
    assert retry_seconds(header, lambda: midnight) == seconds


def test_an_error_body_is_kept_for_the_log_and_cut_at_four_kibibytes() -> None:
    assert len(refusal("mint", 500, body="x" * 5000).upstream_body) == 4096


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "null", '{"error": "no"}', '{"error": {"code": 7}}', "[" * 50000]
)
def test_an_odd_error_body_has_no_code(body: str) -> None:
    assert error_code(body) == ""
    assert refusal("call", 400, body=body).code == "offer_rejected"


def test_a_passed_deadline_is_504_and_a_missing_credential_503_with_a_wait() -> None:
    assert UpstreamUnreachable.timeout().status == 504
    error = CredentialUnavailable("x")
    assert (error.status, error.code, error.retry_after) == (503, "upstream_credential", 2)
