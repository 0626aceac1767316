"""The call log over HTTP: the list, one call, its events."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request

from access import Right, may
from call_log import calls, events
from call_log.call import Call
from call_log.events import EventRow
from call_log.store import Connection, Store
from realtime import lenient
from realtime.events import UNREADABLE, is_name
from token_service import exports, principals, queries
from token_service.conversations import Conversations
from token_service.problems import Problem
from token_service.queries import when

EXPORTED_AT_ONCE = 1_000


def blueprint(store: Store, conversations: Conversations) -> Blueprint:
    """The routes of this module, bound to what they need."""
    routes = Blueprint("calls", __name__)

    @routes.get("/calls")
    def list_calls() -> Response:
        principals.require(Right.LIST_CALLS)
        which = queries.read(queries.WhichCalls, request.args)
        with store.reading() as db:
            page = _page(db, which, which.limit + 1)
        if exports.wanted(which.format, csv=exports.CSV) == "csv":
            return exports.calls_csv(_all_calls(store, which))
        shown = [facts(call, operator=True) for call in page[: which.limit]]
        return jsonify(calls=shown, next_cursor=shown[-1]["id"] if len(page) > which.limit else None)

    @routes.get("/calls/<call_id>")
    def read_call(call_id: str) -> Response:
        since = queries.read(queries.Since, request.args)
        with store.reading() as db:
            call = principals.require_on(Right.READ_CALL, db, call_id)
            heard = conversations.of(db, call, since.after)
        operator = may(principals.current(), Right.READ_EVENTS, call.caller)
        return jsonify(facts(call, operator=operator) | heard)

    @routes.get("/calls/<call_id>/events")
    def read_events(call_id: str) -> Response:
        which = queries.read(queries.WhichEvents, request.args)
        with store.reading() as db:
            call = principals.require_on(Right.READ_EVENTS, db, call_id)

            shown = _events(db, call, which, which.after, which.limit)
        if exports.wanted(which.format, ndjson=exports.NDJSON) == "ndjson":
            return exports.ndjson(_all_events(store, call, which), call_id)
        return jsonify(events=shown, next_after=shown[-1]["seq"] if shown else which.after, state=call.state)

    return routes


def _page(db: Connection, which: queries.WhichCalls, limit: int) -> list[Call]:
    before = None
    if which.cursor is not None:
        last = calls.find(db, which.cursor)
        if last is None:
            raise Problem(
                400, "bad_query", "'cursor' names no call; give the next_cursor of an earlier page."
            )
        before = last.number
    filters = {name: value for name, value in which if name not in ("limit", "cursor", "format")}
    return calls.list_page(db, limit=limit, before=before, **filters)


def _all_calls(store: Store, which: queries.WhichCalls) -> Iterator[list[dict[str, Any]]]:
    while True:
        with store.reading() as db:
            page = _page(db, which, EXPORTED_AT_ONCE)
        if not page:
            return
        yield [facts(call, operator=True) for call in page]
        which = which.model_copy(update={"cursor": page[-1].call_id})


def _events(
    db: Connection, call: Call, which: queries.WhichEvents, after: int, limit: int
) -> list[dict[str, Any]]:
    rows = events.after(db, call.number, after, limit=limit, source=which.source, type=which.type)
    return [_event(row) for row in rows]


def _all_events(store: Store, call: Call, which: queries.WhichEvents) -> Iterator[list[dict[str, Any]]]:
    after = which.after
    while True:
        with store.reading() as db:
            page = _events(db, call, which, after, EXPORTED_AT_ONCE)
        if not page:
            return
        yield page
        after = page[-1]["seq"]


def facts(call: Call, *, operator: bool) -> dict[str, Any]:
    """A call as the API shows it, without its conversation; to an operator with the upstream's own words."""
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
        "failure": _failure(call, operator),
        "summary": json.loads(call.summary) if call.summary else None,
    }


def _hang_up(call: Call) -> dict[str, Any] | None:
    if call.hang_up_wished_at is None:
        return None
    return {"wished_at": when(call.hang_up_wished_at), "reason": call.hang_up_reason, "by": call.hang_up_by}


def _failure(call: Call, operator: bool) -> dict[str, Any] | None:
    if call.failure_code is None:
        return None
    return {"code": call.failure_code, "detail": call.failure_detail if operator else None}


def _event(row: EventRow) -> dict[str, Any]:
    """A line of the log as plain JSON; where that can't show what came, with what is wrong and the bytes themselves."""
    said, fault = lenient.read(row.body)
    event = {"type": UNREADABLE} if said is None else said
    shown = {"seq": row.seq, "at": when(row.at), "source": row.source, "type": row.type, "event": event}
    fault = fault or _misnamed(row, event)
    if fault is None:
        return shown
    return shown | {"parse_error": fault, "raw": base64.b64encode(row.body).decode()}


def _misnamed(row: EventRow, event: dict[str, Any]) -> str | None:
    if row.type == UNREADABLE:
        return "no_type"
    return "odd_event_id" if "event_id" in event and not is_name(event["event_id"]) else None
