"""POST /calls/<id>/commands, and what became of each.

The web checks who asks, and whether it could be sent at all; then it leaves the command in the call's inbox, and
whoever holds the call sends it. Here nothing is sent, and no word of a command is kept but there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import Any

from flask import Blueprint, Response, jsonify, request

from access import Right, may
from call_log import calls, commands, nodes
from call_log.call import Call
from call_log.commands import WAITING_MS, Command
from call_log.store import Connection, Store
from realtime import acts, client_events
from realtime.fields import Event
from realtime.profiles import Profiles
from token_service import principals, queries
from token_service.negotiation import Negotiation, wall_clock
from token_service.problems import Problem
from token_service.queries import when

COMMAND_MAX_BYTES = 64 * 1024
COMMANDS_PER_SECOND = 50
SHOWN_MAX = 100
CUTS_SHORT = frozenset({"interrupt", client_events.RESPONSE_CANCEL, client_events.OUTPUT_CLEAR})
HANG_UP = "hang_up"


def blueprint(store: Store, profiles: Profiles, negotiation: Negotiation) -> Blueprint:
    """The routes of this module, bound to what they need."""
    routes = Blueprint("commands", __name__)

    @routes.post("/calls/<call_id>/commands")
    def command(call_id: str) -> tuple[Response, int]:
        queries.read(queries.Nothing, request.args)
        asked = _read()
        with store.writing() as db:
            call = _call_to_command(db, call_id, asked)
            _admit(call, profiles, asked)
            known = _queue(db, call, asked)
            is_ours = asked["type"] == HANG_UP and (call.recording == "off" or not nodes.live(db))
        if is_ours:
            negotiation.obey_soon(call.call_id)
        return _accepted(call, asked["event_id"], known)

    @routes.get("/calls/<call_id>/commands")
    def list_commands(call_id: str) -> Response:
        queries.read(queries.Nothing, request.args)
        with store.reading() as db:
            call = principals.require_on(Right.READ_EVERYTHING, db, call_id)
            found = commands.of_call(db, call.number, limit=SHOWN_MAX)
        return jsonify(commands=[shown(one) for one in found])

    @routes.get("/calls/<call_id>/commands/<command_id>")
    def read_command(call_id: str, command_id: str) -> Response:
        queries.read(queries.Nothing, request.args)
        with store.reading() as db:
            call = principals.require_on(Right.CUT_SHORT, db, call_id)
            found = commands.find(db, call.number, command_id)
        mine = found is not None and found.by == principals.current().subject
        if found is None or not (mine or may(principals.current(), Right.READ_EVERYTHING, call.caller)):
            raise Problem(404, "no_such_command", "This call has no command of this id.")
        return jsonify(shown(found))

    return routes


def shown(command: Command) -> dict[str, Any]:
    """A command as the API shows it; what it said is among the call's events, where that is kept."""
    return {
        "command_id": command.command_id,
        "type": command.type,
        "state": command.state,
        "code": command.code,
        "by": command.by,
        "peer": command.peer,
        "at": when(command.at),
        "sent_at": when(command.sent_at),
        "settled_at": when(command.settled_at),
    }


def _read() -> Event:
    body = request.get_data(cache=False)
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "Post the command as application/json.")
    if len(body) > COMMAND_MAX_BYTES:
        raise Problem(413, "too_large", "A command is at most 64 KiB.")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("type"), str):
        raise Problem(
            400, "bad_command", 'A command is a JSON object with a type, such as {"type": "interrupt"}.'
        )
    asked["event_id"] = _command_id(asked)
    wrong = acts.fault(asked) if asked["type"] in acts.ACTS else client_events.fault(asked)
    if wrong is not None:
        raise Problem(422, "bad_command", f"The command {wrong}.")
    return asked


def _command_id(asked: Event) -> str:
    """Whoever names it may repeat it."""
    named = request.headers.get("Idempotency-Key") or asked.get("event_id")
    if named is None:
        return f"cmd_{secrets.token_hex(16)}"
    if not isinstance(named, str) or not client_events.COMMAND_ID.fullmatch(named):
        raise Problem(
            400, "bad_command", "A command's id is 1 to 128 letters, digits, and the characters _ . : and -."
        )
    return named


def _call_to_command(db: Connection, call_id: str, asked: Event) -> Call:
    call = principals.require_on(Right.CUT_SHORT, db, call_id)
    if asked["type"] not in CUTS_SHORT and not may(principals.current(), Right.COMMAND, call.caller):
        raise Problem(
            403, "forbidden", "Your grant lets you silence the model on this call, and nothing else."
        )
    return call


def _admit(call: Call, profiles: Profiles, asked: Event) -> None:
    if call.ended_at is not None:
        raise Problem(409, "call_ended", "The call is over; nothing can be sent on it any more.")
    if call.recording == "off" and asked["type"] != HANG_UP:
        raise Problem(409, "not_observed", "Nobody is attached to this call: its profile's recording is off.")
    if not profiles.keep_words(call.profile, call.recording) and acts.holds_words(asked):
        raise Problem(
            422,
            "keeps_no_words",
            "This call's profile lets no word be stored as it comes, so a command with words cannot wait for its "
            "turn; interrupt, mute, unmute and hang_up can.",
        )


def _queue(db: Connection, call: Call, asked: Event) -> Command | None:
    """The command that has this id already, where there is one."""
    now, by = wall_clock(), principals.current().subject
    if commands.count_since(db, call.number, since=now - 999) >= COMMANDS_PER_SECOND:
        raise Problem(429, "too_many_commands", f"A call takes {COMMANDS_PER_SECOND} commands a second.", 1)
    new = Command(
        number=call.number,
        command_id=asked["event_id"],
        type=asked["type"],
        by=by,
        peer=request.remote_addr,
        at=now,
        expires_at=now + WAITING_MS,
        state="queued",
        code=None,
        sent_at=None,
        settled_at=None,
        epoch=None,
        digest=_digest(call, asked),
    )
    source = "operator" if may(principals.current(), Right.COMMAND, call.caller) else "browser"
    body = json.dumps({"command_id": new.command_id, "asked": asked, "source": source})
    known = commands.queue(db, new, None if asked["type"] == HANG_UP else body)
    if known is not None and known.digest != new.digest:
        raise Problem(422, "id_reused", "Another command of this call has this id; give yours its own.")
    if known is None and asked["type"] == HANG_UP:
        calls.wish_hang_up(db, call.call_id, reason="operator_hung_up", by=by, at=now)
    return known


def _digest(call: Call, asked: Event) -> bytes:
    """By which the same command is known when it comes again; worth nothing without the call's salt."""
    said = json.dumps(asked, sort_keys=True).encode()
    return hmac.new(call.salt or b"unsalted", said, hashlib.sha256).digest()


def _accepted(call: Call, command_id: str, known: Command | None) -> tuple[Response, int]:
    answer = jsonify(command_id=command_id, state=known.state if known else "queued")
    answer.headers["Location"] = f"/calls/{call.call_id}/commands/{command_id}"
    return answer, 202
