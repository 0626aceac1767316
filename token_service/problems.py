"""How this service says no: RFC 9457 problem details, one sentence, a stable code, whose fault it is.

Knows HTTP statuses and codes. Never repeats an upstream's words: those stay in the call's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from flask import Flask, Response, g, json
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from call_log.store import StoreUnavailable
from realtime.errors import UpstreamError

log = structlog.get_logger()

ABANDONED = 499
"""nginx's status for a client that left before the answer; nobody reads it but the log."""

_CODES = {
    400: ("bad_request", "The request can't be read; compare it with docs/openapi.yaml."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    413: ("too_large", "The body is larger than 128 KiB; an offer never needs that much."),
    415: ("unsupported_media_type", "This address does not take that content type."),
    431: ("too_large", "The request's headers are too large."),
    500: ("internal", "Switchboard made a mistake; its log tells more under this request's id."),
}


class Problem(Exception):
    """A documented refusal: `status`, a stable `code`, one sentence, after how many seconds to try again, and `facts`
    that a page needs to do better."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        retry_after: int | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.facts = dict(facts or {})
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after


def no_such_call() -> Problem:
    """The one answer for a call that is unknown, and for one that is somebody else's."""
    return Problem(404, "no_such_call", "No call has this id; GET /calls lists those that there are.")


def render(problem: Problem) -> Response:
    """The problem as application/problem+json. `error` is its sentence again, for old clients."""
    body = {
        "type": "about:blank",
        "title": _title(problem.status),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": g.get("request_id", ""),
        "error": problem.detail,
        **problem.facts,
    }
    response = Response(json.dumps(body), problem.status, content_type="application/problem+json")
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _title(status: int) -> str:
    return "Client Closed Request" if status == ABANDONED else HTTPStatus(status).phrase


def install(app: Flask) -> None:
    """Every failure of a view leaves as a problem."""
    app.register_error_handler(Problem, render)
    app.register_error_handler(UpstreamError, _from_upstream)
    app.register_error_handler(StoreUnavailable, _from_store)
    app.register_error_handler(HTTPException, _from_werkzeug)
    app.register_error_handler(Exception, _from_mistake)


def _from_upstream(error: UpstreamError) -> Response:
    return render(Problem(error.status, error.code, error.detail, error.retry_after))


def _from_store(error: StoreUnavailable) -> Response:
    log.error("store_unavailable", reason=str(error))
    return render(Problem(503, "store_unavailable", "The call log can't be reached just now; try again.", 2))


def _from_werkzeug(error: HTTPException) -> Response:
    status = error.code or 500
    code, detail = _CODES.get(status, ("refused", "The request was refused."))
    response = render(Problem(status, code, detail))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _from_mistake(error: Exception) -> Response:
    log.exception("request_failed")
    return render(Problem(500, *_CODES[500]))
