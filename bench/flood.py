"""`python -m bench.flood`: one call says far too much; what the others feel of it, and the observer's memory.

First 10,000 events a second on one call beside others: sent → durable of the others before and meanwhile. Then events
of 15 MiB back to back on one call: the most memory that the observer has, above what it had before. Ratios of one run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from bench.command import command, put_up_as_asked
from bench.evidence import Truth, logged
from bench.field import Field
from bench.figures import percentile, tell_machine, tell_spread, tell_verdict, usage
from bench.verdict import Verdict
from call_log.schema import events
from tests.processes import until

BURSTS_A_SECOND = 10
MIB = 1024 * 1024
LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Outcome:
    """`before`, `meanwhile`: milliseconds of the other calls. `rss` and `rss_peak`: the observer's MiB before the big
    events, and at most since."""

    verdict: Verdict
    before: list[float]
    meanwhile: list[float]
    rss: float
    rss_peak: float

    @property
    def ratio(self) -> float:
        return percentile(self.meanwhile, 0.99) / percentile(self.before, 0.99)


def main() -> None:
    parser = command(__doc__, calls=50, rate=5.0)
    parser.add_argument("--flood", type=int, default=10_000, help="events per second of the one call")
    parser.add_argument("--seconds", type=float, default=20.0, help="before the flood, and again during it")
    parser.add_argument("--big", type=int, default=7, help="events of 15 MiB, one behind the other")
    asked = parser.parse_args()
    tell_machine(
        f"{asked.store}, {asked.calls} calls × {asked.rate:g} events/s beside one of {asked.flood} events/s"
    )
    with put_up_as_asked(asked) as field:
        outcome = run(field, asked.calls, asked.flood, asked.seconds, asked.big)
    tell(outcome)
    sys.exit(not outcome.verdict.is_good)


def run(field: Field, calls: int, flood: int, seconds: float, big: int, size: int = 15 * MIB) -> Outcome:
    field.open(calls + 2, 20.0)
    field.all_observed()
    flooding, growing = [str(field.house.call(one)["upstream_call_id"]) for one in field.call_ids[:2]]
    began = time.time() * 1000
    time.sleep(seconds)
    flooded = time.time() * 1000
    pour(field, flooding, flood, seconds)
    ended = time.time() * 1000
    field.house.hang_up(field.call_ids[0])
    field.house.ended(field.call_ids[0], LONGEST_SECONDS)
    rss, rss_peak = swell(field, growing, big, size)
    field.silence()
    field.end()
    verdict, true = field.judge()
    others = [one for one in true if one.sent.upstream_call_id not in (flooding, growing)]
    seen = field.reader.sightings.first_seen()
    before, meanwhile = (latencies(others, seen, *span) for span in ((began, flooded), (flooded, ended)))
    return Outcome(verdict, before, meanwhile, rss, rss_peak)


def pour(field: Field, upstream_call_id: str, per_second: int, seconds: float) -> None:
    """The flood, evenly."""
    began = time.monotonic()
    for burst in range(int(seconds * BURSTS_A_SECOND)):
        field.emulator.arm("flood", call_id=upstream_call_id, events=per_second // BURSTS_A_SECOND)
        time.sleep(max(0.0, began + (burst + 1) / BURSTS_A_SECOND - time.monotonic()))


def swell(field: Field, upstream_call_id: str, big: int, size: int) -> tuple[float, float]:
    """The observer's memory before the big events and its peak, when all of them are in the log. MiB."""
    pid = field.house.observers[0].child.pid
    before = usage(pid).rss_kib / 1024
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # its peak begins anew
    for _ in range(big):
        field.emulator.arm("oversize event", call_id=upstream_call_id, bytes=size)
    number = next(one.number for one in logged(field.store) if one.upstream_call_id == upstream_call_id)
    until(lambda: _stored(field, number, size) == big, "the big events", LONGEST_SECONDS)
    return before, peak_mib(pid)


def _stored(field: Field, number: int, size: int) -> int:
    big = select(func.count()).where(events.c.number == number, func.length(events.c.body) > size)
    with field.store.reading() as db:
        return db.execute(big).scalar_one()


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def latencies(true: list[Truth], seen: Mapping[str, float], began: float, ended: float) -> list[float]:
    """Sent → durable of what was sent in a span, milliseconds."""
    return [
        seen[event_id] - sent_at
        for one in true
        for event_id, sent_at in zip(one.sent.event_ids, one.sent_at, strict=True)
        if began <= sent_at < ended and event_id in seen
    ]


def tell(outcome: Outcome) -> None:
    tell_spread("others, before it, ms", outcome.before)
    tell_spread("others, meanwhile, ms", outcome.meanwhile)
    print(f"p99, meanwhile : before    {outcome.ratio:9.2f}")
    print(f"observer's RSS before      {outcome.rss:9.1f} MiB")
    print(f"15 MiB events add at most  {outcome.rss_peak - outcome.rss:9.1f} MiB")
    tell_verdict(outcome.verdict)


if __name__ == "__main__":
    main()
