"""Gathers what a verdict is given on: the emulator's ledger, the log's rows, and what a reader saw of them.

Knows where they are and in which shape they come. Judges nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import requests
from sqlalchemy import select

from bench.verdict import UPSTREAM, Logged, Sent, Sight, Verdict, judge_call, judge_orphans
from call_log import events
from call_log.events import EventRow
from call_log.schema import calls
from call_log.store import Store

READ_ROWS = 5_000
LEDGER_SECONDS = 120


class Truth(NamedTuple):
    """What the upstream knows of one call; `sent_at` are UTC milliseconds, one for each event."""

    sent: Sent
    sent_at: Sequence[int]


def truth(emulator_url: str) -> list[Truth]:
    """Every call of the emulator. Fails when its ledger is not complete."""
    answer = requests.get(f"{emulator_url}/emulator/ledger.ndjson", timeout=LEDGER_SECONDS)
    heading, *lines = answer.content.splitlines()
    dropped = json.loads(heading)["dropped"]
    assert not any(dropped.values()), f"the ledger is not complete: {dropped}"
    return [_truth(json.loads(line)) for line in lines]


def _truth(call: Mapping[str, Any]) -> Truth:
    columns = call["events"]
    sent = Sent(call["id"], columns["event_id"], call["ended_at"] is None, call["sidebands"])
    return Truth(sent, columns["sent_at"])


def logged(store: Store) -> list[Logged]:
    """Every call of the log."""
    wanted = (
        calls.c.number,
        calls.c.state,
        calls.c.upstream_call_id,
        calls.c.failure_code,
        calls.c.hang_up_wished_at,
    )
    with store.reading() as db:
        rows = db.execute(select(*wanted)).all()
    return [
        Logged(number, state, upstream, code, at is not None) for number, state, upstream, code, at in rows
    ]


def rows_of(store: Store, number: int) -> list[EventRow]:
    """One call's whole log; of upstream events without the bodies, which nobody judges."""
    found: list[EventRow] = []
    while True:
        with store.reading() as db:
            some = events.after(db, number, found[-1].seq if found else 0, limit=READ_ROWS)
        found += [row._replace(body=b"") if row.source == UPSTREAM else row for row in some]
        if len(some) < READ_ROWS:
            return found


def judge(true: Iterable[Truth], store: Store, seen: Mapping[int, list[Sight]]) -> Verdict:
    """The verdict on a whole log."""
    verdict, sent = Verdict(), [one.sent for one in true]
    of_log = logged(store)
    by_upstream = {row.upstream_call_id: row.number for row in of_log}
    for one in sent:
        number = by_upstream.get(one.upstream_call_id)
        if number is not None:
            judge_call(verdict, one, rows_of(store, number), seen.get(number, []))
    judge_orphans(verdict, sent, of_log)
    return verdict
