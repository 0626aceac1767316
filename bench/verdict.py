"""Holds a call log against what the upstream truly said, and names what is wrong with it.

Knows the order of two lists, the upstream's and the log's, and trusts no clock: times are only added up. Pure
functions over plain data; where the data come from is evidence.py's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from call_log.events import EventRow

UPSTREAM, OBSERVER = "upstream", "observer"
ATTACHED, GAP, LATE, TRUNCATED = "observer.attached", "observer.gap", "observer.late", "observer.truncated"
DIGEST = "sha256:"
OVER = frozenset({"ended", "failed"})


class Sent(NamedTuple):
    """One call of the upstream: the ids of its events in the order in which they were sent, and what it is now.

    An event that has no id, or another event's, goes by `digest_id`. `was_observed`: a sideband was attached to it.
    """

    upstream_call_id: str
    event_ids: Sequence[str]
    is_open: bool
    sidebands: int
    was_observed: bool = False


class Logged(NamedTuple):
    """One call's row of the log, less what no verdict asks for."""

    number: int
    state: str
    upstream_call_id: str | None
    failure_code: str | None = None
    hang_up_wished: bool = False


class Sight(NamedTuple):
    """An event that a reader once saw in the log."""

    seq: int
    event_id: str | None


@dataclass
class Verdict:
    """`faults`: `{"lost": […], "unmarked gap": […], …}`, each a sentence; empty when all is well. `gaps`: how long
    each lasted as the log tells it, in ms, by cause; `takeovers_ms`: from the last event of one holder to the first
    of the next."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    calls: int = 0
    sent: int = 0
    stored: int = 0
    late: int = 0
    gaps: dict[str, list[int]] = field(default_factory=dict)
    takeovers_ms: list[int] = field(default_factory=list)
    outcome_unknown: int = 0

    def blame(self, fault: str, call: str, what: str) -> None:
        self.faults.setdefault(fault, []).append(f"{call}: {what}")

    def count(self, fault: str) -> int:
        return len(self.faults.get(fault, ()))

    @property
    def gap_ms(self) -> int:
        return sum(sum(lengths) for lengths in self.gaps.values())

    @property
    def is_good(self) -> bool:
        return not self.faults


def judge_call(verdict: Verdict, sent: Sent, rows: Sequence[EventRow], seen: Iterable[Sight]) -> None:
    """Add to the verdict what one call's log deserves. `rows` are all of them, in the order of `seq`; the bodies of
    upstream events are not looked at."""
    call = sent.upstream_call_id
    verdict.calls += 1
    verdict.sent += len(sent.event_ids)
    verdict.stored += sum(row.source == UPSTREAM for row in rows)
    for sight in lost(rows, seen):
        verdict.blame("lost", call, f"{sight.event_id} was seen at {sight.seq}")
    for event_id in duplicates(rows):
        verdict.blame("duplicate", call, f"{event_id} is stored twice")
    for what in foul_holdings(rows):
        verdict.blame("double owner", call, what)
    came_late = late_places(rows)
    verdict.late += len(came_late)
    for event_id in out_of_order(sent.event_ids, rows, came_late):
        verdict.blame("disorder", call, f"{event_id} is not where it was sent")
    for first, last in unmarked_gaps(sent.event_ids, rows, came_late):
        verdict.blame(
            "unmarked gap", call, f"{first} to {last} of the events sent are missing, and no gap says so"
        )
    _add_times(verdict, rows, came_late)


def lost(rows: Sequence[EventRow], seen: Iterable[Sight]) -> list[Sight]:
    """What somebody saw and is not there any more, or is another event now."""
    there = {(row.seq, row.event_id) for row in rows}
    by_digest = {row.seq for row in rows if row.event_id is not None and row.event_id.startswith(DIGEST)}
    return [sight for sight in seen if tuple(sight) not in there and sight.seq not in by_digest]


def digest_id(digest: str) -> str:
    """The name of an event that has no id, or another event's: by the first 16 digits of its text's SHA-256."""
    return DIGEST + digest


def judge_missing_calls(
    verdict: Verdict, sent: Iterable[Sent], logged: Iterable[Logged], seen: Mapping[int, Collection[Sight]]
) -> None:
    """Add the calls that are gone as a whole: somebody saw events of them, or an observer was attached to them, and the
    log does not know them any more."""
    rows = list(logged)
    numbers = {row.number for row in rows}
    for number, sights in seen.items():
        if number not in numbers and sights:
            verdict.blame("lost", f"call number {number}", f"all {len(sights)} events that were seen")
    known = {row.upstream_call_id for row in rows}
    for one in sent:
        if one.was_observed and one.event_ids and one.upstream_call_id not in known:
            verdict.blame("unmarked gap", one.upstream_call_id, "was observed, and the log does not know it")


def duplicates(rows: Sequence[EventRow]) -> list[str]:
    ids = Counter(row.event_id for row in rows if row.source == UPSTREAM and row.event_id is not None)
    return [event_id for event_id, times in ids.items() if times > 1]


def foul_holdings(rows: Sequence[EventRow]) -> list[str]:
    """Where two nodes wrote at once: a sequence with holes or repeats, an epoch that did not grow with the holder."""
    foul = [
        f"{after} follows {before}"
        for before, after in pairwise([0, *(row.seq for row in rows)])
        if after != before + 1
    ]
    holdings = [_said(row) for row in rows if row.type == ATTACHED and row.source == OBSERVER]
    for before, after in pairwise(holdings):
        same_node = before["node"] == after["node"]
        if after["epoch"] < before["epoch"] or (after["epoch"] == before["epoch"] and not same_node):
            foul.append(f"{after['node']} attached in epoch {after['epoch']} after epoch {before['epoch']}")
    return foul


def late_places(rows: Sequence[EventRow]) -> set[int]:
    """The places in `rows` of events that came late by their own word: so many before each `observer.late`."""
    places: set[int] = set()
    for place, row in enumerate(rows):
        if row.type == LATE and row.source == OBSERVER:
            places |= set(range(max(0, place - int(_said(row)["events"])), place))
    return places


def out_of_order(event_ids: Sequence[str], rows: Sequence[EventRow], late: set[int]) -> list[str]:
    """Stored events that the upstream sent earlier than the one before them, or never."""
    wrong, last = [], -1
    for position, place, event_id in _positions(event_ids, rows):
        if position is None:
            wrong.append(event_id)
        elif place not in late:
            if position < last:
                wrong.append(event_id)
            last = max(last, position)
    return wrong


def unmarked_gaps(
    event_ids: Sequence[str], rows: Sequence[EventRow], late: set[int]
) -> list[tuple[int, int]]:
    """Stretches (first, last place in `event_ids`) that are missing though the log does not say so.

    A stretch lies between two events that were stored in time, or before the first, or behind the last; an
    `observer.gap` anywhere between those two marks it. From an `observer.truncated` on all is marked.
    """
    marks = [_place_of(row, place) for place, row in enumerate(rows) if _is_gap(row)]
    cut = next((place for place, row in enumerate(rows) if row.type == TRUNCATED), len(rows))
    known = [(position, place) for position, place, _ in _positions(event_ids, rows) if position is not None]
    stored = {position for position, _ in known}
    in_time = sorted((position, place) for position, place in known if place not in late)
    found = []
    for (before, left), (after, right) in pairwise([(-1, -1), *in_time, (len(event_ids), len(rows))]):
        missing = [position for position in range(before + 1, after) if position not in stored]
        if missing and not (right > cut or any(left < mark < right for mark in marks)):
            found.append((missing[0], missing[-1]))
    return found


def _is_gap(row: EventRow) -> bool:
    return row.type == GAP and row.source == OBSERVER


def _place_of(gap: EventRow, place: int) -> float:
    """Where in the log events may be missing: where the gap stands, or, noted later, behind the event that it names."""
    after = _said(gap).get("after_seq")
    return place if after is None else after - 0.5


def _positions(event_ids: Sequence[str], rows: Sequence[EventRow]) -> Iterable[tuple[int | None, int, str]]:
    """(place among the sent, place among the rows, id) of each stored event that has an id."""
    where: dict[str, int] = {}
    for position, event_id in enumerate(event_ids):
        where.setdefault(event_id, position)
    for place, row in enumerate(rows):
        if row.source == UPSTREAM and row.event_id is not None:
            yield where.get(row.event_id), place, row.event_id


def judge_orphans(verdict: Verdict, sent: Iterable[Sent], logged: Iterable[Logged]) -> None:
    """Add the upstream's calls that run and that nobody will ever end.

    One that the log does not know may belong to an intent whose outcome nobody learned, or will learn in a moment:
    as many as there are such intents are counted apart.
    """
    rows = list(logged)
    by_upstream = {row.upstream_call_id: row for row in rows if row.upstream_call_id is not None}
    unknown_intents = sum(row.failure_code == "outcome_unknown" or row.state == "dialling" for row in rows)
    verdict.outcome_unknown = sum(row.failure_code == "outcome_unknown" for row in rows)
    for one in sent:
        if not one.is_open or one.sidebands:
            continue
        row = by_upstream.get(one.upstream_call_id)
        if row is None and unknown_intents:
            unknown_intents -= 1
        elif row is None:
            verdict.blame("orphan", one.upstream_call_id, "runs, and the log does not know it")
        elif row.state in OVER or not row.hang_up_wished:
            verdict.blame("orphan", one.upstream_call_id, f"runs unobserved; the log says {row.state!r}")


def _add_times(verdict: Verdict, rows: Sequence[EventRow], late: set[int]) -> None:
    last_at: int | None = None
    before: dict[str, Any] | None = None
    moved = False
    for place, row in enumerate(rows):
        if row.source == UPSTREAM and place not in late:
            if moved and last_at is not None:
                verdict.takeovers_ms.append(row.at - last_at)
            last_at, moved = row.at, False
        elif row.type == ATTACHED and row.source == OBSERVER:
            holding = _said(row)
            moved = moved or (before is not None and holding["epoch"] != before["epoch"])
            before = holding
        elif row.type == GAP and row.source == OBSERVER:
            _add_gap(verdict, _said(row))


def _add_gap(verdict: Verdict, said: Mapping[str, Any]) -> None:
    began, ended = said.get("from_at"), said.get("until_at")
    length = 0 if began is None or ended is None else ended - began
    verdict.gaps.setdefault(str(said["cause"]), []).append(length)


def _said(row: EventRow) -> dict[str, Any]:
    return dict(json.loads(row.body))
