"""`python -m bench.load --calls 500 --rate 5 --seconds 600`: what many calls cost, and how soon each event is durable.

An emulator, one web and one observer on this machine. Sent → durable is from the emulator's sending to the moment at
which another process's reader, that looks every few milliseconds, sees the event in the store.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.evidence import Truth
from bench.field import Field, put_up
from bench.figures import Usage, tell_machine, tell_spread, tell_verdict, usage, wal_bytes
from bench.reader import Sightings
from bench.verdict import Verdict


@dataclass(frozen=True)
class Outcome:
    """`latencies` in milliseconds; `usages` of the observer, and `wals` in bytes, at start, middle and end."""

    verdict: Verdict
    latencies: list[float]
    usages: list[Usage]
    wals: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5.0, help="events per second of each call")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--opened-per-second", type=float, default=20.0)
    parser.add_argument("--database-url", default=None)
    asked = parser.parse_args()
    tell_machine(f"{asked.calls} calls × {asked.rate:g} events/s, {asked.seconds:g} s")
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(
            Path(folder), asked.calls, asked.rate, asked.seconds, asked.opened_per_second, asked.database_url
        )
    tell(outcome, asked.calls)
    sys.exit(not outcome.verdict.is_good)


def run(
    folder: Path, calls: int, rate: float, seconds: float, per_second: float, database_url: str | None = None
) -> Outcome:
    with put_up(folder, rate=rate, database_url=database_url) as field:
        empty = _look(field)
        field.open(calls, per_second)
        field.all_observed()
        looks = [empty, _look(field)]
        for _ in range(2):
            time.sleep(seconds / 2)
            looks.append(_look(field))
        field.silence()
        field.end()
        verdict, true = field.judge()
    usages, wals = zip(*looks, strict=True)
    return Outcome(verdict, latencies(true, field.reader.sightings), list(usages), list(wals))


def latencies(true: list[Truth], sightings: Sightings) -> list[float]:
    """Milliseconds from the sending of each event to its first sight in the store."""
    seen = sightings.first_seen()
    return [
        seen[event_id] - sent_at
        for one in true
        for event_id, sent_at in zip(one.sent.event_ids, one.sent_at, strict=True)
        if event_id in seen
    ]


def tell(outcome: Outcome, calls: int) -> None:
    tell_verdict(outcome.verdict)
    tell_spread("sent → durable, ms", outcome.latencies)
    empty, *looks = outcome.usages
    for name, look, wal in zip(("start", "middle", "end"), looks, outcome.wals[1:], strict=True):
        print(
            f"observer at the {name:7} RSS {look.rss_kib / 1024:7.1f} MiB, {look.descriptors} descriptors, "
            f"{look.threads} threads, WAL {wal / 2**20:.1f} MiB"
        )
    cpu = (looks[-1].cpu_seconds - looks[0].cpu_seconds) / (looks[-1].at - looks[0].at)
    print(f"observer's CPU             {cpu * 100:7.1f} % of one core")
    print(f"observer's RSS per call    {(looks[-1].rss_kib - empty.rss_kib) / calls:7.1f} KiB")


def _look(field: Field) -> tuple[Usage, int]:
    return usage(field.house.observers[0].child.pid), wal_bytes(field.house.environ["DATABASE_URL"])


if __name__ == "__main__":
    main()
