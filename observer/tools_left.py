"""What an earlier holder left of a call's tools: calls not taken up, runs that wait, runs whose end nobody knows.

Reads the call's events, its runs and its commands, and decides; it runs and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from call_log import calls, events, tool_runs
from call_log.events import EventRow
from call_log.store import Store
from call_log.tool_runs import OPEN, Run, State
from realtime.events import RESPONSE_DONE, read
from realtime.tool_calls import REFUSALS, Announced, FunctionCall, announced, command_id

RESPONSES_RECALLED = 100
RECENT_MS = 60_000
"""A call that nobody took up for longer is not taken up any more: the conversation has gone on."""


@dataclass
class Left:
    """Of one response. `is_new`: nobody took it up. `waiting`: an operator is to be asked again. `lost`: no output is
    on its way; with the code and the state. `given`: the output is on its way, which was not written down."""

    announced: Announced
    is_new: bool = False
    waiting: list[FunctionCall] = field(default_factory=list)
    lost: list[tuple[FunctionCall, str, State]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Memory:
    """What a holder must know before it does anything. `metadata`: what the page gave with the offer."""

    metadata: dict[str, Any]
    left: list[Left]


def recall(store: Store, call_id: str, now: int, keeps_words: bool) -> Memory:
    """All of it, for one call. Blocks. `keeps_words`: whether the arguments in the log are what the model wrote."""
    with store.reading() as db:
        call = calls.find(db, call_id)
        if call is None:
            return Memory({}, [])
        number = call.number
        runs = tool_runs.of_call(db, number)
        rows = events.last(db, number, limit=RESPONSES_RECALLED, type=RESPONSE_DONE)
        heard = [(row.at, said) for row in rows if (said := _announced(row, keeps_words)) is not None]
        ids = [command_id(run.function_call_id) for run in runs]
        ids += [Announced(run.response_id, []).command_id for run in runs]
        sent = tool_runs.commanded(db, number, ids)
    return Memory(json.loads(call.metadata or "{}"), judge(runs, heard, sent, now))


def _announced(row: EventRow, keeps_words: bool) -> Announced | None:
    said = announced(read(row.body) or {})
    if said is None or keeps_words:
        return said
    return replace(said, calls=[replace(call, arguments=None) for call in said.calls])


def judge(
    runs: Sequence[Run], heard: Sequence[tuple[int, Announced]], sent: Mapping[str, str], now: int
) -> list[Left]:
    """`heard`: the announcements in the log, with their times; `sent`: the commands that are known, by their ids."""
    of_response: dict[str, list[Run]] = {}
    for run in runs:
        of_response.setdefault(run.response_id, []).append(run)
    known = {run.function_call_id for run in runs}
    said = {call.id: call for _, one in heard for call in one.calls}
    found = [
        Left(one, is_new=True)
        for at, one in heard
        if now - at <= RECENT_MS and not known & {call.id for call in one.calls}
    ]
    for response_id, taken in of_response.items():
        left = _of_response(Announced(response_id, []), taken, said, sent)
        if left.waiting or left.lost or left.announced.command_id not in sent:
            found.append(left)
    return found


def _of_response(
    announced: Announced, taken: list[Run], said: Mapping[str, FunctionCall], sent: Mapping[str, str]
) -> Left:
    left = Left(announced)
    for run in taken:
        call = said.get(run.function_call_id) or FunctionCall(run.function_call_id, run.name, None)
        if command_id(run.function_call_id) in sent:
            left.given += [run.function_call_id] if run.state in OPEN else []
        elif run.state == "waiting":
            left.waiting.append(call)
        elif run.state == "refused" and run.code in REFUSALS:
            left.lost.append((call, run.code, "refused"))
        else:
            left.lost.append((call, "holder_changed", "unknown"))
    return left
