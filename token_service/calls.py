"""The call log over HTTP: the list, one call, its events, and hanging up."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

from flask import Blueprint, Response, jsonify, request

from access import Right, may
from access.principal import Role, acting_role
from call_log import calls, events, nodes
from call_log.call import Call
from call_log.events import EventRow
from call_log.states import EndReason
from call_log.store import Connection, Store
from realtime.events import read as read_event
from token_service import principals, queries
from token_service.conversations import Conversations
from token_service.negotiation import Negotiation, wall_clock
from token_service.problems import Problem
from token_service.queries import when

OVER = ("ended", "failed")
REASONS: dict[Role, EndReason] = {Role.CALLER: "caller_hung_up", Role.OPERATOR: "operator_hung_up"}


def blueprint(store: Store, conversations: Conversations, negotiation: Negotiation) -> Blueprint:
    """The routes of this module, bound to what they need."""
    routes = Blueprint("calls", __name__)

    @routes.get("/calls")
    def list_calls() -> Response:
        principals.require(Right.LIST_CALLS)
        which = queries.read(queries.WhichCalls, request.args)
        with store.reading() as db:
            page = _page(db, which)
        more = len(page) > which.limit
        page = page[: which.limit]
        return jsonify(calls=[facts(call) for call in page], next_cursor=page[-1].call_id if more else None)

    @routes.get("/calls/<call_id>")
    def read_call(call_id: str) -> Response:
        since = queries.read(queries.Since, request.args)
        with store.reading() as db:
            call = principals.require_on(Right.READ_CALL, _find(db, call_id))
            heard = conversations.of(db, call, since.after)
        return jsonify(facts(call) | heard)

    @routes.get("/calls/<call_id>/events")
    def read_events(call_id: str) -> Response:
        which = queries.read(queries.WhichEvents, request.args)
        with store.reading() as db:
            call = principals.require_on(Right.READ_EVENTS, _find(db, call_id))
            rows = events.after(
                db, call.number, which.after, limit=which.limit, source=which.source, type=which.type
            )
        next_after = rows[-1].seq if rows else which.after
        return jsonify(events=[_event(row) for row in rows], next_after=next_after, state=call.state)

    @routes.delete("/calls/<call_id>")
    def hang_up(call_id: str) -> tuple[Response, int]:
        asked = queries.read(queries.ActingAs, request.args).role
        with store.writing() as db:
            call = principals.require_on(Right.HANG_UP, _find(db, call_id))
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


def _find(db: Connection, call_id: str) -> Call | None:
    return calls.find(db, call_id) if queries.CALL_ID.fullmatch(call_id) else None


def _page(db: Connection, which: queries.WhichCalls) -> list[Call]:
    """One call more than asked for, so that one knows whether there are more."""
    before = None
    if which.cursor is not None:
        last = calls.find(db, which.cursor)
        if last is None:
            raise Problem(
                400, "bad_query", "'cursor' names no call; give the next_cursor of an earlier page."
            )
        before = last.number
    filters = {name: value for name, value in which if name not in ("limit", "cursor")}
    return calls.list_page(db, limit=which.limit + 1, before=before, **filters)


def facts(call: Call) -> dict[str, Any]:
    """A call as the API shows it, without its conversation."""
    return {
        "id": call.call_id,
        "state": call.state,
        "profile": call.profile,
        "model": call.model,
        "caller": call.caller,
        "upstream": call.upstream,
        "upstream_call_id": call.upstream_call_id,
        "recording": call.recording,
        "metadata": json.loads(call.metadata) if call.metadata else None,
        "consent": call.consent,
        "created_at": when(call.created_at),
        "answered_at": when(call.answered_at),
        "observed_at": when(call.observed_at),
        "ended_at": when(call.ended_at),
        "hang_up": _hang_up(call),
        "end": {"reason": call.end_reason, "certainty": call.end_certainty} if call.end_reason else None,
        "failure": _failure(call),
        "summary": json.loads(call.summary) if call.summary else None,
    }


def _hang_up(call: Call) -> dict[str, Any] | None:
    if call.hang_up_wished_at is None:
        return None
    return {"wished_at": when(call.hang_up_wished_at), "reason": call.hang_up_reason, "by": call.hang_up_by}


def _failure(call: Call) -> dict[str, Any] | None:
    """The detail may hold the upstream's own words, which are for operators."""
    if call.failure_code is None:
        return None
    told = may(principals.current(), Right.READ_EVENTS, call.caller)
    return {"code": call.failure_code, "detail": call.failure_detail if told else None}


def _event(row: EventRow) -> dict[str, Any]:
    said: Any = read_event(row.body)
    if said is None:
        said = {"unreadable": base64.b64encode(row.body).decode()}
    return {"seq": row.seq, "at": when(row.at), "source": row.source, "type": row.type, "event": said}
