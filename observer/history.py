"""What earlier holders of a call sent on it, and put right, as the call's log and its commands tell.

It reads; what follows from it is tamper_watch.py's.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from call_log import commands
from call_log import events as log_events
from call_log.commands import State
from call_log.store import Connection
from realtime import client_events, events
from realtime.client_events import ITEM_CREATE, RESPONSE_CREATE, SESSION_UPDATE
from realtime.fields import Event, text_of

ATTACHED: Final = "observer.attached"
TAMPERED: Final = "observer.tamper"
_MOST: Final = 1_000


@dataclass(frozen=True)
class Said:
    """One client event that reached the upstream, or may have. `by`: on whose behalf."""

    event: Event
    state: State
    by: str


@dataclass(frozen=True)
class History:
    """`profile_digest`: of the session that the first holder knew the profile by. `restores`: how often something was
    put right; `is_condemned`: the call was to be hung up for what the page did."""

    said: tuple[Said, ...] = ()
    profile_digest: str | None = None
    restores: int = 0
    is_condemned: bool = False


def digest_of(session: Event) -> str:
    """Names a profile's session without a word of it."""
    return hashlib.sha256(json.dumps(session, sort_keys=True).encode()).hexdigest()[:16]


def history(db: Connection, number: int) -> History:
    """Of one call, so far."""
    tampers = _notes(db, number, TAMPERED, _MOST)
    attached = _notes(db, number, ATTACHED, 1)
    done = {(note.get("command_id"), note.get("done")) for note in tampers}
    return History(
        said=tuple(_said(db, number)),
        profile_digest=text_of(attached[0], "profile_digest") if attached else None,
        restores=sum(command_id is not None for command_id, _ in done),
        is_condemned=any(what == "hung_up" for _, what in done),
    )


def _notes(db: Connection, number: int, type: str, limit: int) -> list[Event]:
    rows = log_events.after(db, number, 0, limit=limit, source="observer", type=type)
    return [event for row in rows if (event := events.read(row.body)) is not None]


def _said(db: Connection, number: int) -> list[Said]:
    """In order. A line stands in the log before its bytes leave: only its command tells whether they did."""
    known = {one.command_id: one for one in commands.of_call(db, number, limit=10 * _MOST)}
    found = []
    for row in log_events.sent(db, number):
        command = known.get(str(row.event_id).partition(".")[0])
        if command is not None and command.state in ("sent", "confirmed", "unknown"):
            event = _whole(events.read(row.body) or {}, row.type, str(row.event_id))
            found.append(Said(event, command.state, command.by))
    return found


def _whole(event: Event, type: str, event_id: str) -> Event:
    """The event with what can be told of it where its words were not kept."""
    event = {"type": type, "event_id": event_id} | event
    if type == ITEM_CREATE and "id" not in event.get("item", {}):
        return event | {"item": {"id": client_events.item_id(event_id)}}
    if type == SESSION_UPDATE:
        return {"session": {}} | event
    if type == RESPONSE_CREATE and "response" not in event:
        return client_events.prepared(event, event_id)
    return event
