"""What can go wrong with the upstream, and whose fault it is. This module decides which HTTP status and code our own
clients get for it; it never puts the upstream's words into `detail`, which a browser may read.

    UpstreamError
    ├── UpstreamRefused         it answered, with an error status
    ├── UpstreamUnreachable     no answer, or not in time
    ├── UpstreamGarbled         an answer that makes no sense
    └── CredentialUnavailable   we have nothing to identify ourselves with just now
    Misconfigured               somebody has to set something first
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

UPSTREAM_BODY_LIMIT = 4 * 1024  # characters kept of an error body, for the call's log
RETRY_AFTER_DEFAULT = 5  # seconds, when the upstream is busy and does not say for how long
RETRY_AFTER_MIN = 1  # seconds
RETRY_AFTER_MAX = 120  # seconds
CREDENTIAL_RETRY_AFTER = 2  # seconds

Step = Literal["mint", "call", "hang_up"]


class Misconfigured(Exception):
    """One sentence that says what to set."""


class UpstreamError(Exception):
    """Trouble with the upstream.

    `code` (snake_case), `status` (the HTTP status that we answer), `retry_after` (seconds) and `detail` (one sentence
    of ours) may be shown to anyone. `upstream_status`, `upstream_body` (at most 4 KiB) and `request_id` are for the
    call's log. `upstream_call_id` is set when a call may exist up there in spite of the failure: hang it up.
    """

    code = "upstream_failed"
    status = 502

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        upstream_status: int | None = None,
        upstream_body: str = "",
        request_id: str | None = None,
        upstream_call_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.status = status or self.status
        self.retry_after = retry_after
        self.upstream_status = upstream_status
        self.upstream_body = upstream_body[:UPSTREAM_BODY_LIMIT]
        self.request_id = request_id
        self.upstream_call_id = upstream_call_id


class UpstreamRefused(UpstreamError):
    """The upstream answered, with an error status."""


class UpstreamUnreachable(UpstreamError):
    """The upstream could not be reached, broke off, or let the deadline pass."""

    code = "upstream_unreachable"

    @classmethod
    def timeout(
        cls, *, upstream_call_id: str | None = None, request_id: str | None = None
    ) -> UpstreamUnreachable:
        """The deadline passed: 504."""
        return cls(
            "The upstream did not answer in time; try again.",
            code="upstream_timeout",
            status=504,
            upstream_call_id=upstream_call_id,
            request_id=request_id,
        )


class UpstreamGarbled(UpstreamError):
    """The upstream's answer makes no sense."""

    code = "upstream_garbled"


class CredentialUnavailable(UpstreamError):
    """Neither a key nor a token to identify ourselves with."""

    code = "upstream_credential"
    status = 503

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after=CREDENTIAL_RETRY_AFTER)


class _Meaning(NamedTuple):
    code: str
    status: int
    detail: str


_AUTH = _Meaning(
    "upstream_auth",
    502,
    "The upstream does not accept our credential; the operator must check the key or the identity.",
)
_FORBIDDEN = _Meaning(
    "upstream_forbidden",
    502,
    "Our credential may not use this upstream; the operator must check its role and network rules.",
)
_CONFIG = _Meaning(
    "upstream_config",
    502,
    "The upstream does not know the model or refuses the session; the operator must check endpoint and profile.",
)
_OFFER = _Meaning(
    "offer_rejected", 422, "The upstream refuses this offer; send the SDP exactly as the browser made it."
)
_BUSY = _Meaning("upstream_busy", 503, "The upstream is busy; try again after the time in Retry-After.")
_TIMEOUT = _Meaning("upstream_timeout", 504, "The upstream did not answer in time; try again.")
_FAILED = _Meaning("upstream_failed", 502, "The upstream failed to do this; try again.")
_GARBLED = _Meaning(
    "upstream_garbled", 502, "The upstream answers with a redirect; the operator must check the endpoint."
)

_BY_STATUS = {401: _AUTH, 403: _FORBIDDEN, 404: _CONFIG, 408: _TIMEOUT, 429: _BUSY, 503: _BUSY}

# Codes and params of a 400 on /calls that speak of the session or the deployment and not of the offer (protocol
# errors of OpenAI's API schema; the Azure pair is spelled in two ways in the field, hence lower case and a prefix).
_SESSION_CODES = ("deploymentnotfound", "operationnotsupported", "opperationnotsupported", "model_not_found")


def refusal(
    step: Step,
    status: int,
    *,
    body: str = "",
    retry_after: str | None = None,
    request_id: str | None = None,
    upstream_call_id: str | None = None,
    now: Callable[[], float] = time.time,
) -> UpstreamRefused:
    """What an error status means at this step. `retry_after` is the upstream's header, seconds or an HTTP date."""
    meaning = _meaning(step, status, body)
    return UpstreamRefused(
        meaning.detail,
        code=meaning.code,
        status=meaning.status,
        retry_after=retry_seconds(retry_after, now) if meaning is _BUSY else None,
        upstream_status=status,
        upstream_body=body,
        request_id=request_id,
        upstream_call_id=upstream_call_id,
    )


def _meaning(step: Step, status: int, body: str) -> _Meaning:
    if 300 <= status < 400:
        return _GARBLED
    if status in (400, 422):
        return _OFFER if step == "call" and not _blames_session(body) else _CONFIG
    return _BY_STATUS.get(status, _FAILED)


def _blames_session(body: str) -> bool:
    code, param = error_code(body).lower(), _error_field(body, "param")
    return code.startswith(_SESSION_CODES) or param.startswith("session")


def error_code(body: str) -> str:
    """The `code` of an error in the upstream's envelope `{"error": {"code", …}}`; empty when there is none."""
    return _error_field(body, "code")


def _error_field(body: str, key: str) -> str:
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    error = envelope.get("error") if isinstance(envelope, dict) else None
    value = error.get(key) if isinstance(error, dict) else None
    return value if isinstance(value, str) else ""


def retry_seconds(header: str | None, now: Callable[[], float] = time.time) -> int:
    """Seconds to wait by a `Retry-After` header (a number or an HTTP date), held to 1…120; 5 when it says nothing."""
    seconds = _seconds(header.strip(), now) if header else None
    if seconds is None:
        return RETRY_AFTER_DEFAULT
    return int(min(max(seconds, RETRY_AFTER_MIN), RETRY_AFTER_MAX))


def _seconds(header: str, now: Callable[[], float]) -> float | None:
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        return email.utils.parsedate_to_datetime(header).timestamp() - now()
    except (ValueError, TypeError, OverflowError):
        return None
