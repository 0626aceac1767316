"""The call log over HTTP: the list, one call, its events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, jsonify, request

from access import Right
from call_log import calls, events
from call_log.call import Call
from call_log.store import Connection, Store
from token_service import exports, principals, queries, views
from token_service.conversations import Conversations
from token_service.problems import Problem

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
        shown = [views.facts(call, everything=True) for call in page[: which.limit]]
        return jsonify(calls=shown, next_cursor=shown[-1]["id"] if len(page) > which.limit else None)

    @routes.get("/calls/<call_id>")
    def read_call(call_id: str) -> Response:
        since = queries.read(queries.Since, request.args)
        with store.reading() as db:
            call = principals.require_on(Right.READ_CALL, db, call_id)
            everything = views.sees_everything(call)
            heard = conversations.of(db, call, since.after, everything=everything)
        return jsonify(views.facts(call, everything=everything) | heard)

    @routes.get("/calls/<call_id>/events")
    def read_events(call_id: str) -> Response:
        which = queries.read(queries.WhichEvents, request.args)
        with store.reading() as db:
            call = principals.require_on(Right.READ_EVENTS, db, call_id)
            wanted = _Wanted(call, which, browser_only=not views.sees_everything(call))
            shown = _events(db, wanted, which.after, which.limit)
        if exports.wanted(which.format, ndjson=exports.NDJSON) == "ndjson":
            return exports.ndjson(_all_events(store, wanted), call_id)
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
        yield [views.facts(call, everything=True) for call in page]
        which = which.model_copy(update={"cursor": page[-1].call_id})


@dataclass(frozen=True)
class _Wanted:
    """Events of a call that were asked for; `browser_only`: by its caller, who sees no others."""

    call: Call
    which: queries.WhichEvents
    browser_only: bool


def _events(db: Connection, wanted: _Wanted, after: int, limit: int) -> list[dict[str, Any]]:
    which, call = wanted.which, wanted.call
    rows = events.after(
        db,
        call.number,
        after,
        limit=limit,
        source=which.source,
        type=which.type,
        browser_only=wanted.browser_only,
    )
    return [views.event(call, row) for row in rows]


def _all_events(store: Store, wanted: _Wanted) -> Iterator[list[dict[str, Any]]]:
    after = wanted.which.after
    while True:
        with store.reading() as db:
            call = calls.find(db, wanted.call.call_id) or wanted.call
            # Anew for each page: a file that is being sent must not go on with what was erased meanwhile.
            page = _events(db, replace(wanted, call=call), after, EXPORTED_AT_ONCE)
        if not page:
            return
        yield page
        after = page[-1]["seq"]
