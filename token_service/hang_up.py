"""DELETE /calls/<id>: hang up.

The wish is written down, and whoever can obeys it: the call's holder, or this process where no observer lives.
"""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, jsonify, request

from access import Right
from access.principal import Role, acting_role
from call_log import calls, nodes
from call_log.call import Call
from call_log.states import EndReason
from call_log.store import Store
from token_service import principals, queries
from token_service.negotiation import Negotiation, wall_clock
from token_service.problems import Problem

OVER = ("ended", "failed")
REASONS: dict[Role, EndReason] = {Role.CALLER: "caller_hung_up", Role.OPERATOR: "operator_hung_up"}


def blueprint(store: Store, negotiation: Negotiation) -> Blueprint:
    """The route of this module, bound to what it needs."""
    routes = Blueprint("hang_up", __name__)

    @routes.delete("/calls/<call_id>")
    def hang_up(call_id: str) -> tuple[Response, int]:
        asked = queries.read(queries.ActingAs, request.args).role
        with store.writing() as db:
            call = principals.require_on(Right.HANG_UP, db, call_id)
            role = acting_role(principals.current(), asked, call.caller)
            if role is None:
                raise Problem(403, "forbidden", "Your grant does not let you hang up in that role.")
            by = principals.current().subject
            wished = calls.wish_hang_up(db, call_id, reason=REASONS[role], by=by, at=wall_clock()) or call
            unheld = wished.state not in OVER and not nodes.live(db)
        if unheld:
            wished = _hang_up_ourselves(store, negotiation, wished)
        return jsonify(id=wished.call_id, state=wished.state), 200 if wished.state in OVER else 202

    return routes


def _hang_up_ourselves(store: Store, negotiation: Negotiation, call: Call) -> Call:
    """No observer lives that could obey the wish: obey it here, and write the end down."""
    if call.upstream_call_id is None or not negotiation.hang_up_upstream(call.upstream_call_id):
        return call
    with store.writing() as db:
        reason = cast(EndReason, call.hang_up_reason or "unknown")
        calls.end_unheld(db, call.call_id, reason=reason, certainty="stated", at=wall_clock())
        return calls.find(db, call.call_id) or call
