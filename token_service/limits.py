"""What is left of a call's limits, for whoever looks at it. What they mean is realtime's; the observer keeps them.

An operator sees all of them; the caller sees how long its call may last.
"""

from __future__ import annotations

from typing import Any

from call_log import spending
from call_log.call import Call
from call_log.store import Connection
from realtime.caps import MILLIONTHS, MONEY, Caps, Limit, Tally, Used
from realtime.turns import Conversation

CALLERS: frozenset[Limit] = frozenset({"duration"})


def left(
    db: Connection,
    call: Call,
    caps: Caps | None,
    conversation: Conversation,
    summary: dict[str, Any],
    now: int,
    *,
    everything: bool,
) -> list[dict[str, Any]]:
    """`[{"limit", "cap", "used", "near"}]`: seconds, numbers, or money in the price table's currency; `used` is null
    where it is not known. `now`: UTC milliseconds; of a call that is over, what was used at its end."""
    if caps is None:
        return []
    used = _used(db, call, caps, conversation, Tally.of(summary), call.ended_at or now)
    return [
        {
            "limit": limit,
            "cap": _shown(limit, cap),
            "used": _shown(limit, used.get(limit)),
            "near": caps.near(limit, used.get(limit)),
        }
        for limit, cap in caps.given()
        if everything or limit in CALLERS
    ]


def _used(db: Connection, call: Call, caps: Caps, conversation: Conversation, tally: Tally, now: int) -> Used:
    used = tally.used()
    answered_at = call.answered_at if call.answered_at is not None else now
    used["duration"] = max(0, now - answered_at) / 1000
    used["idle"] = conversation.quiet_ms(now, answered_at) / 1000
    if caps.spend_per_day is not None:
        used["spend_per_day"] = spending.of_caller(db, call.caller, spending.day_of(call.created_at))
    return used


def _shown(limit: Limit, amount: float | None) -> float | None:
    return amount / MILLIONTHS if limit in MONEY and amount is not None else amount
