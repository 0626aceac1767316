"""DELETE /calls/<id>: hang up.

The wish is written down, and whoever can obeys it: the call's holder, or this process where no observer lives or
none may know of the call.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from access import Right
from access.principal import Role, acting_role
from call_log import calls, nodes
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
            is_ours = call.recording == "off" or not nodes.live(db)
        if is_ours and wished.state not in OVER:
            wished = negotiation.obey(call_id) or wished
        return jsonify(id=wished.call_id, state=wished.state), 200 if wished.state in OVER else 202

    return routes
