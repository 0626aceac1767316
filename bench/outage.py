"""`python -m bench.outage --kind locked`: the store goes away under many calls, and comes back.

`locked`: another process holds SQLite's write lock. `full`: the file system of the store, 16 MiB of it, is full (it is
mounted for this, so root only), and grows when the time is over. `postgresql`: the server is stopped by its pid and
started again. What must hold: nothing that a reader saw is lost, what was heard meanwhile is in the log, in order,
nobody takes another's calls, and all is as before within seconds of the store's return.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.field import Field, put_up
from bench.figures import tell_machine, tell_verdict
from bench.verdict import Verdict
from tests.postgres import Cluster
from tests.processes import until

OBSERVERS = 2
FULL_MIB, GROWN_MIB = 16, 1_024
LONGEST_SECONDS = 60.0


class Outage(Protocol):
    """Takes the store away and gives it back."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """`moved`: calls that another observer holds than before; `back`: seconds from the store's return until a reader
    saw new events of every call and a new call could be opened."""

    verdict: Verdict
    moved: int
    back: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=tuple(KINDS), required=True)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5.0, help="events per second of each call")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--opened-per-second", type=float, default=15.0)
    asked = parser.parse_args()
    tell_machine(f"{asked.kind} for {asked.seconds:g} s, {asked.calls} calls × {asked.rate:g} events/s")
    with tempfile.TemporaryDirectory() as folder, KINDS[asked.kind](Path(folder)) as (url, outage):
        field = put_up(Path(folder), rate=asked.rate, observers=OBSERVERS, database_url=url)
        with field as put:
            outcome = run(put, outage, asked.calls, asked.opened_per_second, asked.seconds)
    tell(outcome)
    sys.exit(not outcome.verdict.is_good or outcome.moved > 0)


def run(field: Field, outage: Outage, calls: int, per_second: float, seconds: float) -> Outcome:
    field.open(calls, per_second)
    field.all_observed()
    before = field.holders()
    outage.begin()
    time.sleep(seconds)
    outage.end()
    back = until_back(field)
    moved = sum(before[number] != holder for number, holder in field.holders().items())
    field.silence()
    field.end()
    return Outcome(field.judge()[0], moved, back)


def until_back(field: Field) -> float:
    """Seconds until every call is written again, and the web would open another one."""
    began, at = time.monotonic(), time.time() * 1000

    def is_back() -> bool:
        fresh = {number for number, row_at in field.newest_rows().items() if row_at > at}
        return len(fresh) == len(field.call_ids) and field.house.get("/readyz").status_code == 200

    until(is_back, "the store's return", LONGEST_SECONDS)
    return time.monotonic() - began


class Lock:
    """Another process's transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> None:
        self._other = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        self._other.execute("ROLLBACK")
        self._other.close()


class FullDisk:
    """A file system that a ballast fills to the last block."""

    def __init__(self, place: Path) -> None:
        self._place, self._ballast = place, place / "ballast"

    def begin(self) -> None:
        with self._ballast.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(4096))

    def end(self) -> None:
        remount = ["mount", "-o", f"remount,size={GROWN_MIB}m", str(self._place)]
        subprocess.run(remount, check=True)
        self._ballast.unlink()


class StoppedServer:
    """PostgreSQL's own process."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def begin(self) -> None:
        self._cluster.stop()

    def end(self) -> None:
        self._cluster.start()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[tuple[str | None, Outage]]:
    yield None, Lock(folder / "house" / "calls.db")


@contextlib.contextmanager
def full(folder: Path) -> Iterator[tuple[str | None, Outage]]:
    if os.geteuid() != 0:
        sys.exit("bench.outage: only root may mount a file system; run --kind full as root")
    place = folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL_MIB}m", "bench", str(place)], check=True)
    try:
        yield f"sqlite:///{place}/calls.db", FullDisk(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str | None, Outage]]:
    cluster = Cluster()
    try:
        cluster.start()
        cluster.make_template()
        yield cluster.url(cluster.make_database()), StoppedServer(cluster)
    finally:
        cluster.remove()


KINDS = {"locked": locked, "full": full, "postgresql": postgresql}


def tell(outcome: Outcome) -> None:
    tell_verdict(outcome.verdict)
    print(f"calls that moved           {outcome.moved:9}")
    print(f"store back → all as before {outcome.back:9.2f} s")


if __name__ == "__main__":
    main()
