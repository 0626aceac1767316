"""One log line for each request, and the id by which its answer and its lines are found again."""

from __future__ import annotations

import secrets
import time

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger()

QUIET = frozenset(
    {"health.healthz", "health.readyz", "calls.read_call", "calls.read_events", "pages.static_file"}
)


def install(app: Flask) -> None:
    """Number each request and write its line when it is answered; routine polling only at debug level."""

    @app.before_request
    def begin() -> None:
        g.request_id = f"req_{secrets.token_hex(12)}"
        g.began = time.monotonic()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def tell(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        quiet = request.endpoint in QUIET and response.status_code < 500
        (log.debug if quiet else log.info)(
            "request_answered",
            method=request.method,
            route=str(request.url_rule or "-"),
            status=response.status_code,
            duration_ms=round((time.monotonic() - g.began) * 1000, 1),
        )
        return response
