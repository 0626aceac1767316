"""Who a request comes from. Every request has a principal; the views ask for rights, never for proofs."""

from __future__ import annotations

from flask import Flask, g, request

from access import Principal, Right, from_open_loopback, may
from call_log import calls
from call_log.call import Call
from call_log.store import Connection
from token_service.problems import Problem, no_such_call
from token_service.queries import CALL_ID

ANONYMOUS = Principal("anonymous", frozenset())


def install(app: Flask, *, open_loopback: bool) -> None:
    """Give each request its principal before any view sees it."""

    @app.before_request
    def recognise() -> None:
        found = from_open_loopback(request.remote_addr, dict(request.headers)) if open_loopback else None
        g.principal = found or ANONYMOUS


def current() -> Principal:
    """The principal of the request in hand."""
    principal: Principal = g.principal
    return principal


def require(right: Right) -> Principal:
    """The principal, if it holds the right; else 401 for nobody, 403 for somebody without it."""
    principal = current()
    if may(principal, right):
        return principal
    if principal is ANONYMOUS:
        raise Problem(
            401,
            "no_grant",
            "Only pages that this machine serves itself, asked for by a loopback name, are let in without a grant.",
        )
    raise Problem(403, "forbidden", "Your grant does not cover this.")


def require_on(right: Right, db: Connection, call_id: str) -> Call:
    """The call of that id, if the principal holds the right on it. Unknown, malformed and foreign look alike."""
    if current() is ANONYMOUS:
        require(right)
    call = calls.find(db, call_id) if CALL_ID.fullmatch(call_id) else None
    if call is None or not may(current(), right, call.caller):
        raise no_such_call()
    return call
