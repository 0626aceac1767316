"""Whether this process lives, and whether it can open calls now."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from call_log import nodes
from call_log.store import Connection, Store, StoreUnavailable
from realtime.endpoints import Upstream

NO_OBSERVER = "no observer is alive: start one with `python -m observer`"
SILENT = "no observer has renewed its place in the call log for 3 s: all are gone, or can't write it; see their logs"
FULL = "every observer has as many calls as it can hold: start another one, or raise its limit of open files"
NO_STORE = "the call log can't be reached: look whether the disk or the database of DATABASE_URL is there"


def blueprint(store: Store, upstream: Upstream, *, emulated: bool) -> Blueprint:
    """The routes of this module, bound to what they need."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @routes.get("/readyz")
    def readyz() -> tuple[Response, int]:
        reasons = _reasons(store)
        status = "not_ready" if reasons else "ready"
        body = jsonify(status=status, reasons=reasons, upstream=upstream.kind, emulator=emulated)
        return body, 503 if reasons else 200

    return routes


def _lacking(db: Connection) -> list[str]:
    if nodes.with_room(db):
        return []
    if nodes.live(db):
        return [FULL]
    return [SILENT] if nodes.registered(db) else [NO_OBSERVER]


def _reasons(store: Store) -> list[str]:
    try:
        with store.reading() as db:
            return _lacking(db)
    except StoreUnavailable:
        return [NO_STORE]
