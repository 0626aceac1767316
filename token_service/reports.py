"""POST /calls/<id>/reports: what only the browser can know of its call.

The web puts the report into the call's inbox; whoever holds the call makes it an event. A report is evidence, not
truth: whoever may connect may say anything here, so nothing but the call's own record depends on it.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from access import Right
from call_log import calls, inbox
from call_log.call import Call
from call_log.store import Connection, Store
from realtime.content import BROWSER, without_content
from realtime.profiles import Profiles
from token_service import principals, queries
from token_service.negotiation import Negotiation, wall_clock
from token_service.problems import Problem

REPORT_MAX_BYTES = 16 * 1024
REPORTS_PER_SECOND = 2
FACTS_MAX = 64
LEAVING = "leaving"


class Report(BaseModel):
    """A kind, and flat facts of any name."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, bool | int | float | str | None] = Field(init=False)

    kind: Literal["connection", "stats", "first_audio", "leaving", "channel", "microphone"]


def blueprint(store: Store, negotiation: Negotiation, profiles: Profiles) -> Blueprint:
    """The route of this module, bound to what it needs."""
    routes = Blueprint("reports", __name__)

    @routes.post("/calls/<call_id>/reports")
    def report(call_id: str) -> tuple[Response, int]:
        queries.read(queries.Nothing, request.args)
        said = _read()
        now = wall_clock()
        with store.writing() as db:
            call = principals.require_on(Right.REPORT, db, call_id)
            if call.ended_at is not None:
                # A page that is told of the end a moment later than we has done nothing wrong.
                return jsonify(id=call.call_id, state=call.state), 202
            if call.recording == "off":
                _heed(db, call, said)
            else:
                _put(db, call, _kept(call, profiles, said), now)
        if call.recording == "off" and said["kind"] == LEAVING:
            negotiation.obey_soon(call.call_id)
        return jsonify(id=call.call_id, state=call.state), 202

    return routes


def _put(db: Connection, call: Call, said: dict[str, Any], now: int) -> None:
    if inbox.count_since(db, call.number, kind="report", since=now - 999) >= REPORTS_PER_SECOND:
        raise Problem(
            429, "too_many_reports", "A call takes two reports a second; put several facts into one.", 1
        )
    by = principals.current().subject
    inbox.put(db, call.number, kind="report", by=by, at=now, body=json.dumps(said))


def _kept(call: Call, profiles: Profiles, said: dict[str, Any]) -> dict[str, Any]:
    """The report as it may be stored: the inbox lies in the same database as the events."""
    if profiles.keep_words(call.profile, call.recording):
        return said
    return without_content(said, BROWSER)


def _heed(db: Connection, call: Call, said: dict[str, Any]) -> None:
    """Of a call that nobody records no report is kept; that its caller leaves ends it all the same."""
    if said["kind"] == LEAVING:
        calls.wish_hang_up(db, call.call_id, reason="caller_hung_up", by="browser", at=wall_clock())


def _read() -> dict[str, Any]:
    body = request.get_data(cache=False)
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "Post the report as application/json.")
    if len(body) > REPORT_MAX_BYTES:
        raise Problem(413, "too_large", "A report is at most 16 KiB.")
    try:
        said = Report.model_validate_json(body)
    except ValidationError as error:
        raise Problem(400, "bad_report", queries.sentence(error)) from None
    if len(said.model_dump()) > FACTS_MAX:
        raise Problem(400, "bad_report", f"A report holds at most {FACTS_MAX} facts.")
    return said.model_dump()
