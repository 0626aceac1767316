"""`python -m bench.kill --calls 200 --rate 5 --seconds 600 --every 5`: what remains when observers are killed in turn.

Two observers; every few seconds one of them gets kill -9 in the middle of its work, and a new one is started at once.
Take-over is from the kill to the first event of each of the victim's calls that a reader sees in the store afterwards.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from bench.field import Field, put_up
from bench.figures import tell_machine, tell_spread, tell_verdict
from bench.reader import Sightings
from bench.stores import urls
from bench.verdict import Verdict
from call_log.schema import calls, nodes

OBSERVERS = 2


@dataclass(frozen=True)
class Kill:
    """`at`: UTC milliseconds; `last_seqs`: `{number: seq}` of the calls that the victim held, as it left them."""

    at: float
    last_seqs: dict[int, int]


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    kills: list[Kill]
    takeovers: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5.0, help="events per second of each call")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds from one kill to the next")
    parser.add_argument("--opened-per-second", type=float, default=20.0)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    tell_machine(
        f"{asked.calls} calls × {asked.rate:g} events/s, {asked.seconds:g} s, a kill each {asked.every:g} s"
    )
    with tempfile.TemporaryDirectory() as folder, urls([asked.store]) as (url,):
        field = put_up(Path(folder), rate=asked.rate, observers=OBSERVERS, database_url=url)
        with field as put:
            outcome = run(put, asked.calls, asked.opened_per_second, asked.seconds, asked.every)
    tell(outcome)
    sys.exit(not outcome.verdict.is_good)


def run(field: Field, calls: int, per_second: float, seconds: float, every: float) -> Outcome:
    field.open(calls, per_second)
    field.all_observed()
    kills, end_at = [], time.monotonic() + seconds
    while time.monotonic() < end_at:
        kills.append(kill_one(field))
        field.house.start_observer()
        time.sleep(every)
    field.silence()
    field.end()
    verdict, _ = field.judge()
    return Outcome(verdict, kills, takeovers(kills, field.reader.sightings))


def kill_one(field: Field) -> Kill:
    """kill -9 of the observer that has been there longest."""
    victim = field.house.observers[0]
    numbers = _held_by(field, victim.child.pid)
    at = time.time() * 1000
    field.kill(victim)
    return Kill(at, _last_seqs(field, numbers))


def _held_by(field: Field, pid: int) -> list[int]:
    held = select(calls.c.number).join(nodes, nodes.c.node_id == calls.c.holder).where(nodes.c.pid == pid)
    with field.store.reading() as db:
        return list(db.scalars(held))


def _last_seqs(field: Field, numbers: list[int]) -> dict[int, int]:
    wanted = select(calls.c.number, calls.c.last_seq).where(calls.c.number.in_(numbers))
    with field.store.reading() as db:
        return {row.number: row.last_seq for row in db.execute(wanted)}


def takeovers(kills: list[Kill], sightings: Sightings) -> list[float]:
    """Milliseconds from each kill to the next upstream event of each call concerned; where none came before the call
    was hit again, from the first of these kills. What the victim had written itself does not count."""
    waiting: dict[int, tuple[float, int]] = {}
    took, to_come = [], sorted(kills, key=lambda kill: kill.at, reverse=True)
    for number, seq, event_id, seen_at in sightings.in_order():
        while to_come and to_come[-1].at < seen_at:
            kill = to_come.pop()
            for held, last_seq in kill.last_seqs.items():
                waiting.setdefault(held, (kill.at, last_seq))
        since, last_seq = waiting.get(number, (0.0, seq))
        if event_id is not None and seq > last_seq:
            took.append(seen_at - since)
            del waiting[number]
    return took


def tell(outcome: Outcome) -> None:
    tell_verdict(outcome.verdict)
    print(f"kills                      {len(outcome.kills):9}")
    tell_spread("kill → next event, ms", outcome.takeovers)


if __name__ == "__main__":
    main()
