"""DELETE /calls/<id>/record: erase what was recorded of a call.

The web marks the call, and from that commit on nothing of it is shown; an observer empties the record behind it. Knows
who may ask for that and when it is too early; how it is done is call_log/erasure.py's.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, jsonify, request

from access import Right
from call_log import erasure
from call_log.store import Store
from token_service import principals, queries
from token_service.negotiation import wall_clock
from token_service.problems import Problem

log = structlog.get_logger()

LIVE = "This call is still going on: hang it up first (DELETE /calls/<id>), and erase it once it has ended."


def blueprint(store: Store) -> Blueprint:
    """The route of this module, bound to what it needs."""
    routes = Blueprint("erase", __name__)

    @routes.delete("/calls/<call_id>/record")
    def erase(call_id: str) -> tuple[Response, int]:
        queries.read(queries.Nothing, request.args)
        by = principals.current().subject
        with store.writing() as db:
            before = principals.require_on(Right.ERASE, db, call_id)
            call = erasure.mark(db, call_id, by=by, at=wall_clock()) or before
        if call.erased_at is None:
            raise Problem(409, "call_live", LIVE)
        if before.erased_at is None:
            log.info("call_erasure_wished", call_id=call_id, by=by)
        complete = call.scrubbed_at is not None
        erased_at = queries.when(call.erased_at)
        return jsonify(id=call_id, erased_at=erased_at, complete=complete), 200 if complete else 202

    return routes
