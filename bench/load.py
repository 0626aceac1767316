"""`python -m bench.load --calls 500 --rate 5 --seconds 600`: what many calls cost, and how soon each event is durable.

An emulator, one web and one observer on this machine. Sent → durable is from the emulator's sending to the moment at
which another process's reader, that looks every few milliseconds, sees the event in the store; of what is said once all
calls are open.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.evidence import Truth
from bench.field import Field, put_up
from bench.figures import Usage, tell_machine, tell_spread, tell_verdict, usage, wal_bytes, worker_of
from bench.reader import Sightings
from bench.verdict import Verdict


class Look(NamedTuple):
    """What each process has used until now, by its name, and the WAL's size in bytes."""

    used: dict[str, Usage]
    wal: int


PARTS = 10


@dataclass(frozen=True)
class Outcome:
    """`latencies` in milliseconds; `looks` are before the calls, then at the start, middle and end of their run."""

    verdict: Verdict
    latencies: list[float]
    looks: list[Look]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5.0, help="events per second of each call")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--opened-per-second", type=float, default=20.0)
    parser.add_argument(
        "--opening-rate", type=float, help="events per second of each call until all are open"
    )
    parser.add_argument("--database-url", default=None)
    asked = parser.parse_args()
    tell_machine(f"{asked.calls} calls × {asked.rate:g} events/s, {asked.seconds:g} s")
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(
            Path(folder),
            asked.calls,
            asked.rate,
            asked.seconds,
            asked.opened_per_second,
            asked.database_url,
            asked.opening_rate,
        )
    tell(outcome, asked.calls)
    sys.exit(not outcome.verdict.is_good)


def run(
    folder: Path,
    calls: int,
    rate: float,
    seconds: float,
    per_second: float,
    database_url: str | None = None,
    opening_rate: float | None = None,
) -> Outcome:
    with put_up(folder, rate=opening_rate or rate, database_url=database_url) as field:
        looks = [look(field)]
        field.open(calls, per_second)
        field.all_observed()
        looks.append(look(field))
        field.speak(rate)
        began = time.time() * 1000
        for _ in range(2):
            time.sleep(seconds / 2)
            looks.append(look(field))
        field.silence()
        field.end()
        verdict, true = field.judge()
    return Outcome(verdict, latencies(true, field.reader.sightings, began), looks)


def look(field: Field) -> Look:
    web = field.house.web
    pids = {"observer": field.house.observers[0].child.pid, "emulator": field.emulator.process.child.pid}
    pids |= {"reader and callers": os.getpid()} | ({"web": worker_of(web.child.pid)} if web else {})
    wal = wal_bytes(field.house.environ["DATABASE_URL"])
    return Look({name: usage(pid) for name, pid in pids.items()}, wal)


def latencies(true: list[Truth], sightings: Sightings, since: float) -> list[float]:
    """Milliseconds from the sending of each event, `since` then (UTC milliseconds), to its first sight in the store, in
    the order of sending."""
    seen = sightings.first_seen()
    sent = (pair for one in true for pair in zip(one.sent_at, one.sent.event_ids, strict=True))
    return [
        seen[event_id] - sent_at
        for sent_at, event_id in sorted(sent)
        if sent_at >= since and event_id in seen
    ]


def tell(outcome: Outcome, calls: int) -> None:
    tell_verdict(outcome.verdict)
    tell_spread("sent → durable, ms", outcome.latencies)
    part = -(-len(outcome.latencies) // PARTS) or 1
    for place in range(PARTS):
        of_part = outcome.latencies[place * part : (place + 1) * part]
        tell_spread(f"    tenth {place + 1}", of_part)
    empty, *looks = outcome.looks
    for name, one in zip(("start", "middle", "end"), looks, strict=True):
        of = one.used["observer"]
        print(
            f"observer at the {name:10} RSS {of.rss_kib / 1024:7.1f} MiB, {of.descriptors} descriptors, "
            f"{of.threads} threads, WAL {one.wal / 2**20:.1f} MiB"
        )
    for name, first in looks[0].used.items():
        last = looks[-1].used[name]
        share = (last.cpu_seconds - first.cpu_seconds) / (last.at - first.at)
        print(f"CPU, {name:21} {share * 100:9.1f} % of one core")
    grown = looks[-1].used["observer"].rss_kib - empty.used["observer"].rss_kib
    print(f"observer's RSS per call    {grown / calls:9.1f} KiB")


if __name__ == "__main__":
    main()
