"""GET /calls/<id>/transcript: what was said, as JSON, text, or WebVTT beside the call's sound."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from access import Right
from call_log.store import Store
from realtime import transcript as layout
from token_service import exports, principals, queries, views
from token_service.conversations import Conversations

TEXT, VTT = "text/plain", "text/vtt"


def blueprint(store: Store, conversations: Conversations) -> Blueprint:
    """The route of this module, bound to what it needs."""
    routes = Blueprint("transcript", __name__)

    @routes.get("/calls/<call_id>/transcript")
    def transcript(call_id: str) -> Response:
        asked = queries.read(queries.WhichTranscript, request.args).format
        with store.reading() as db:
            call = principals.require_on(Right.READ_CALL, db, call_id)
            turns = conversations.whole(db, call, everything=views.sees_everything(call))
        began_at = call.answered_at or call.created_at
        blank = layout.NO_CONTENT if call.recording == "metadata" else layout.NO_WORDS
        form = exports.wanted(asked, text=TEXT, vtt=VTT)
        if form == "text":
            return exports.file(
                iter([layout.as_text(turns, began_at, blank)]), f"{TEXT}; charset=utf-8", f"{call_id}.txt"
            )
        if form == "vtt":
            return exports.file(
                iter([layout.as_vtt(turns, began_at, blank)]), f"{VTT}; charset=utf-8", f"{call_id}.vtt"
            )
        return jsonify(
            id=call_id,
            began_at=queries.when(began_at),
            recording=call.recording,
            turns=[views.turn(turn) for turn in turns],
        )

    return routes
