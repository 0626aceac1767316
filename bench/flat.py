"""`python -m bench.flat --seconds 3600`: whether anything grows while calls come and go, and nothing else changes.

200 calls at any moment, each of which lives a minute; some pages are looked at now and then. Memory, descriptors and
threads of the web and of each observer and the store's WAL are sampled; the first quarter, in which everything fills,
does not count. The log itself grows with what is said: so much an event is printed. `--seconds 600` is shorter.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select, text

from bench.churn import Churn
from bench.command import command, put_up_as_asked
from bench.field import Field
from bench.figures import tell_machine, tell_verdict, usage, worker_of
from bench.trend import Sample, Trend, trend
from bench.verdict import Verdict
from call_log.schema import events
from call_log.store import Store

OBSERVERS = 2
MIB = 2**20
LISTED = 20
LOOKED_AT = 5
"""The web keeps what was looked at of 256 calls: so many at each sample, and that is full within the first quarter of
ten minutes."""
AT_ONCE = 64  # twice the threads of the web


@dataclass
class Outcome:
    """`samples` by the figure's name; `log_bytes` is what each event took of the store's files or tables."""

    verdict: Verdict
    opened: int
    refused: list[str]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    log_bytes: float = 0.0

    def trends(self) -> dict[str, Trend]:
        return {name: trend(samples) for name, samples in self.samples.items()}


def main() -> None:
    parser = command(__doc__, calls=200, rate=5.0)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--lives", type=float, default=60.0, help="seconds of each call")
    parser.add_argument("--every", type=float, default=2.0, help="seconds from one sample to the next")
    asked = parser.parse_args()
    tell_machine(
        f"{asked.store}, {asked.calls} calls × {asked.rate:g} events/s, each {asked.lives:g} s, {asked.seconds:g} s"
    )
    with put_up_as_asked(asked, OBSERVERS) as put:
        outcome = run(put, asked.calls, asked.lives, asked.seconds, asked.every)
    tell(outcome)
    sys.exit(not (outcome.verdict.is_good and all(one.is_flat for one in outcome.trends().values())))


def run(put: Field, calls: int, lives: float, seconds: float, every: float) -> Outcome:
    samples: dict[str, list[Sample]] = defaultdict(list)
    fill(put)
    with Churn(put, calls / lives, lives) as churn:
        for at in _ticks(seconds, every):
            for name, figure in look(put).items():
                samples[name].append(Sample(at, figure))
            look_at_pages(put)
    put.silence()
    put.end()
    stored = store_bytes(put.store) / max(1, _events(put.store))
    return Outcome(put.judge()[0], churn.opened, churn.refused, samples, stored)


def fill(put: Field) -> None:
    """The web starts its threads one by one, when more is asked at once than ever before: let it start them all."""
    with ThreadPoolExecutor(AT_ONCE) as askers:
        for answer in askers.map(put.house.get, ["/calls"] * 4 * AT_ONCE):
            answer.raise_for_status()


def _ticks(seconds: float, every: float) -> Iterator[float]:
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        yield at
        time.sleep(max(0.0, began + (at // every + 1) * every - time.monotonic()))


def look(put: Field) -> dict[str, float]:
    """Every figure that should stay as it is."""
    found: dict[str, float] = {"WAL, MiB": wal_bytes(put.store) / MIB}
    web = put.house.web
    assert web is not None
    pids = {"web": worker_of(web.child.pid), "gunicorn": web.child.pid}
    pids |= {f"observer {place}": one.child.pid for place, one in enumerate(put.house.observers, start=1)}
    for name, pid in pids.items():
        used = usage(pid)
        found[f"{name}, RSS in MiB"] = used.rss_kib / 1024
        found[f"{name}, descriptors"] = used.descriptors
        found[f"{name}, threads"] = used.threads
    return found


def look_at_pages(put: Field) -> None:
    """As an operator does: the list, and some of its calls."""
    listed = put.house.get(f"/calls?limit={LISTED}").json()["calls"]
    for call in listed[:: LISTED // LOOKED_AT]:
        put.house.get(f"/calls/{call['id']}")


def wal_bytes(store: Store) -> int:
    """Of SQLite the file's size; of PostgreSQL what lies in its folder."""
    return _of_store(store, "-wal", "SELECT sum(size) FROM pg_ls_waldir()")


def store_bytes(store: Store) -> int:
    """What the log takes, less the WAL."""
    return _of_store(store, "", "SELECT pg_database_size(current_database())")


def _of_store(store: Store, file_end: str, asked: str) -> int:
    with store.reading() as db:
        if db.dialect.name == "sqlite":
            file = Path(db.execute(text("PRAGMA database_list")).one()[2] + file_end)
            return file.stat().st_size if file.exists() else 0
        return int(db.execute(text(asked)).scalar_one())


def _events(store: Store) -> int:
    with store.reading() as db:
        return db.execute(select(func.count()).select_from(events)).scalar_one()


def tell(outcome: Outcome) -> None:
    print(f"{'':26} {'2nd quarter':>11} {'last':>9}   an hour")
    for name, one in outcome.trends().items():
        print(
            f"{name:26} {one.second:11.2f} {one.last:9.2f}   {one.slope:+9.2f} ± {one.error:.2f}"
            f"   {'flat' if one.is_flat else 'GROWS'}"
        )
    print(f"the log                    {outcome.log_bytes:11.0f} bytes an event")
    print(f"calls opened               {outcome.opened:11}, refused {len(outcome.refused)}")
    for met in sorted(set(outcome.refused)):
        print(f"    {outcome.refused.count(met)} times {met}")
    tell_verdict(outcome.verdict)


if __name__ == "__main__":
    main()
