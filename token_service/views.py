"""What is shown of a call, and to whom: everything to an operator, the browser's view to the caller itself.

The caller sees what its own browser could have seen or said: facts, what the two said, numbers. The upstream's words
and ids, tools, what seeds a conversation, tokens and cost, and who else acted on the call are an operator's. An
erased call shows its tombstone to both.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from access import Right, may
from call_log.call import Call
from call_log.events import EventRow
from realtime import lenient
from realtime.events import UNREADABLE, is_name
from realtime.turns import Turn
from token_service import principals
from token_service.queries import when

SAID_BY_THE_TWO = frozenset({"user", "assistant"})
OPERATORS_NUMBERS = ("usage", "cost", "model")


def sees_everything(call: Call) -> bool:
    """Whether the principal of the request in hand sees this call as an operator does."""
    return may(principals.current(), Right.READ_EVERYTHING, call.caller)


def facts(call: Call, *, everything: bool) -> dict[str, Any]:
    """A call as the API shows it, without its conversation."""
    return {
        "id": call.call_id,
        "state": call.state,
        "profile": call.profile,
        "model": call.model,
        "caller": call.caller,
        "upstream": call.upstream,
        "upstream_call_id": call.upstream_call_id if everything else None,
        "recording": call.recording,
        "metadata": json.loads(call.metadata) if call.metadata else None,
        "consent": call.consent,
        "created_at": when(call.created_at),
        "answered_at": when(call.answered_at),
        "observed_at": when(call.observed_at),
        "ended_at": when(call.ended_at),
        "keep_until": when(call.keep_until),
        "hang_up": _hang_up(call, everything),
        "end": {"reason": call.end_reason, "certainty": call.end_certainty} if call.end_reason else None,
        "failure": _failure(call, everything),
        "erased": _erased(call, everything),
        "seal": {"seq": call.last_seq, "head": call.head.hex()} if call.head else None,
        "summary": summary(json.loads(call.summary), everything=everything) if call.summary else None,
    }


def summary(said: dict[str, Any], *, everything: bool) -> dict[str, Any]:
    """The conversation in numbers."""
    return said if everything else said | dict.fromkeys(OPERATORS_NUMBERS)


def turns(found: Iterable[Turn], *, everything: bool) -> list[Turn]:
    """The turns that may be shown."""
    if everything:
        return list(found)
    return [replace(turn, usage=None, error=None) for turn in found if turn.role in SAID_BY_THE_TWO]


def turn(shown: Turn) -> dict[str, object]:
    """A turn as the API shows it: times as RFC 3339."""
    said = shown.as_json() | {"started_at": when(shown.started_at), "ended_at": when(shown.ended_at)}
    if shown.tool is not None:
        times = {"started_at": when(shown.tool["started_at"]), "ended_at": when(shown.tool["ended_at"])}
        said["tool"] = shown.tool | times
    return said


def event(call: Call, row: EventRow) -> dict[str, Any]:
    """An event as it came; null where it was erased, even before its bytes are gone."""
    shown = {"seq": row.seq, "at": when(row.at), "source": row.source, "type": row.type}
    if call.erased_at is not None:
        return shown | {"event": None}
    return shown | _read(row)


def _read(row: EventRow) -> dict[str, Any]:
    """What came, as plain JSON; where that can't show it, with what is wrong and the bytes themselves."""
    said, fault = lenient.read(row.body)
    came = {"type": UNREADABLE} if said is None else said
    fault = fault or _misnamed(row, came)
    if fault is None:
        return {"event": came}
    return {"event": came, "parse_error": fault, "raw": base64.b64encode(row.body).decode()}


def _misnamed(row: EventRow, event: dict[str, Any]) -> str | None:
    if row.type == UNREADABLE:
        return "no_type"
    return "odd_event_id" if "event_id" in event and not is_name(event["event_id"]) else None


def _hang_up(call: Call, everything: bool) -> dict[str, Any] | None:
    if call.hang_up_wished_at is None:
        return None
    by = call.hang_up_by if everything or call.hang_up_by == call.caller else None
    return {"wished_at": when(call.hang_up_wished_at), "reason": call.hang_up_reason, "by": by}


def _failure(call: Call, everything: bool) -> dict[str, Any] | None:
    if call.failure_code is None:
        return None
    return {"code": call.failure_code, "detail": call.failure_detail if everything else None}


def _erased(call: Call, everything: bool) -> dict[str, Any] | None:
    if call.erased_at is None:
        return None
    by = call.erased_by if everything else None
    return {"at": when(call.erased_at), "by": by, "complete": call.scrubbed_at is not None}
