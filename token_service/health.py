"""Whether this process lives, and whether it can open calls now."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from call_log import nodes
from call_log.store import Store, StoreUnavailable
from realtime.endpoints import Upstream

NO_OBSERVER = "no observer is alive: start one with `python -m observer`"
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


def _reasons(store: Store) -> list[str]:
    try:
        with store.reading() as db:
            return [] if nodes.live(db) else [NO_OBSERVER]
    except StoreUnavailable:
        return [NO_STORE]
