"""Gathers what a verdict is given on: the emulator's ledger, the log's rows, and what a reader saw of them.

Knows where they are and in which shape they come. Judges nothing itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import requests
from sqlalchemy import select

from bench.verdict import (
    UPSTREAM,
    Logged,
    Sent,
    Sight,
    Verdict,
    digest_id,
    judge_call,
    judge_missing_calls,
    judge_orphans,
)
from call_log import events
from call_log.events import EventRow
from call_log.schema import calls
from call_log.store import Store

READ_ROWS = 5_000
LEDGER_SECONDS = 120
DIGEST_DIGITS = 16


class Truth(NamedTuple):
    """What the upstream knows of one call; `sent_at` are UTC milliseconds, one for each event."""

    sent: Sent
    sent_at: Sequence[int]
    digests: frozenset[str] = frozenset()
    """Of the events that have no id, or another event's."""


def truth(emulator_url: str) -> list[Truth]:
    """Every call of the emulator. Fails when its ledger is not complete."""
    answer = requests.get(f"{emulator_url}/emulator/ledger.ndjson", timeout=LEDGER_SECONDS)
    heading, *lines = answer.content.splitlines()
    dropped = json.loads(heading)["dropped"]
    assert not any(dropped.values()), f"the ledger is not complete: {dropped}"
    return [_truth(json.loads(line)) for line in lines]


def _truth(call: Mapping[str, Any]) -> Truth:
    columns = call["events"]
    event_ids, digests = list(columns["event_id"]), dict(columns["digest"])
    for place, digest in digests.items():
        event_ids[int(place)] = digest_id(digest)
    observed = call["sideband_attaches"] > 0
    sent = Sent(call["id"], event_ids, call["ended_at"] is None, call["sidebands"], observed)
    return Truth(sent, columns["sent_at"], frozenset(digests.values()))


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


def rows_of(store: Store, number: int, digests: Collection[str] = ()) -> list[EventRow]:
    """One call's whole log; of upstream events without the bodies, which nobody judges. Those
    whose digest is among the `digests` go by it."""
    found: list[EventRow] = []
    while True:
        with store.reading() as db:
            some = events.after(db, number, found[-1].seq if found else 0, limit=READ_ROWS)
        found += [_named(row, digests) if row.source == UPSTREAM else row for row in some]
        if len(some) < READ_ROWS:
            return found


def _named(row: EventRow, digests: Collection[str]) -> EventRow:
    digest = hashlib.sha256(row.body).hexdigest()[:DIGEST_DIGITS] if digests else ""
    return row._replace(body=b"", event_id=digest_id(digest) if digest in digests else row.event_id)


def judge(true: Iterable[Truth], store: Store, seen: Mapping[int, list[Sight]]) -> Verdict:
    """The verdict on a whole log."""
    true = list(true)
    verdict, sent = Verdict(), [one.sent for one in true]
    of_log = logged(store)
    by_upstream = {row.upstream_call_id: row.number for row in of_log}
    for one in true:
        number = by_upstream.get(one.sent.upstream_call_id)
        if number is not None:
            judge_call(verdict, one.sent, rows_of(store, number, one.digests), seen.get(number, []))
    judge_missing_calls(verdict, sent, of_log, seen)
    judge_orphans(verdict, sent, of_log)
    return verdict
