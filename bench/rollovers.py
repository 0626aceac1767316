"""What each rollover did to the calls, by the log's own word and by what callers met.

Knows when each began and ended. How one is done is restart.py's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import select

from bench.figures import tell_spread
from bench.verdict import GAP, OBSERVER
from call_log.schema import calls, events
from call_log.store import Store


class Span(NamedTuple):
    """One rollover: UTC milliseconds, and what calls met instead of a 201 meanwhile."""

    began: float
    ended: float
    refused: Sequence[str]


@dataclass
class Effects:
    """`lost`: calls that ended though nobody wished it. `gaps`: milliseconds by cause, of those that began then."""

    seconds: float
    refused: Counter[str]
    lost: int = 0
    gaps: dict[str, list[float]] = field(default_factory=dict)


def effects(store: Store, spans: Sequence[Span]) -> list[Effects]:
    """Of each rollover, until the next one began; read while the calls still run."""
    ends, gaps = _unwished_ends(store), _gaps(store)
    found = []
    for place, span in enumerate(spans):
        until = spans[place + 1].began if place + 1 < len(spans) else float("inf")
        one = Effects((span.ended - span.began) / 1000, Counter(span.refused))
        one.lost = sum(span.began <= at < until for at in ends)
        for at, cause, length in gaps:
            if span.began <= at < until:
                one.gaps.setdefault(cause, []).append(length)
        found.append(one)
    return found


def _unwished_ends(store: Store) -> list[int]:
    unwished = select(calls.c.ended_at).where(
        calls.c.ended_at.is_not(None),
        calls.c.hang_up_wished_at.is_(None),
        calls.c.upstream_call_id.is_not(None),
    )
    with store.reading() as db:
        return list(db.scalars(unwished))


def _gaps(store: Store) -> list[tuple[float, str, float]]:
    """(when it began, cause, milliseconds) of each gap in the log."""
    noted = select(events.c.at, events.c.body).where(events.c.type == GAP, events.c.source == OBSERVER)
    with store.reading() as db:
        rows = db.execute(noted).all()
    found = []
    for at, body in rows:
        said = json.loads(body)
        began, ended = said.get("from_at"), said.get("until_at")
        known = began is not None and ended is not None
        found.append((began if known else at, str(said["cause"]), float(ended - began) if known else 0.0))
    return found


def tell(found: Sequence[Effects]) -> None:
    for place, one in enumerate(found, start=1):
        print(
            f"rollover {place:2}: {one.seconds:5.1f} s, calls lost {one.lost}, connects refused {one.refused.total()}"
        )
        for met, times in one.refused.most_common():
            print(f"    {times} times {met}")
        for cause, lengths in one.gaps.items():
            tell_spread(f"    {cause}, s", [length / 1000 for length in lengths], digits=2)
