"""`python -m bench.pause --times 200`: what an observer does that was stopped for twice its lease and goes on.

Two observers; one of them gets SIGSTOP, the other takes its calls over, then it gets SIGCONT and must notice that they
are its own no more. A stale row is one that it wrote all the same: it shows as a holder of an older epoch, a second
copy, or an event out of its order. A stale command is a hang-up: nobody wishes one here. An observer that was stopped
inside a transaction of SQLite's keeps everybody else from writing, so nobody can take over: counted apart.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.field import Field, put_up
from bench.figures import tell_machine, tell_verdict
from bench.verdict import Verdict
from call_log.holding import DEAD_AFTER_MS
from call_log.store import Store, StoreUnavailable

LEASE_SECONDS = DEAD_AFTER_MS / 1000
OBSERVERS = 2
STALE = ("double owner", "duplicate", "disorder")
WRITE_LOCK_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """`in_transaction`: stops that held SQLite's write lock; `left`: observers that ended after one."""

    verdict: Verdict
    in_transaction: int
    left: int
    hang_ups: int

    @property
    def stale_rows(self) -> int:
        return sum(self.verdict.count(fault) for fault in STALE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--rate", type=float, default=5.0, help="events per second of each call")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--database-url", default=None)
    asked = parser.parse_args()
    tell_machine(
        f"{asked.calls} calls × {asked.rate:g} events/s, {asked.times} stops of {2 * LEASE_SECONDS:g} s"
    )
    with tempfile.TemporaryDirectory() as folder:
        field = put_up(Path(folder), rate=asked.rate, observers=OBSERVERS, database_url=asked.database_url)
        with field as put:
            outcome = run(put, asked.calls, asked.times)
    tell(outcome)
    sys.exit(not (outcome.verdict.is_good and outcome.hang_ups == 0))


def run(field: Field, calls: int, times: int) -> Outcome:
    field.open(calls, 20.0)
    field.all_observed()
    in_transaction = left = 0
    for _ in range(times):
        in_transaction += pause_one(field)
        left += replace_what_left(field)
        field.all_observed()
        time.sleep(LEASE_SECONDS)  # nobody takes another for dead before it has beaten for a lease itself
    field.silence()
    hang_ups = count_hang_ups(field)
    field.end()
    return Outcome(field.judge()[0], in_transaction, left, hang_ups)


def pause_one(field: Field) -> bool:
    """Stop the observer that has been there longest for twice the lease. Whether it held the write lock meanwhile."""
    victim = field.house.observers[0]
    victim.child.send_signal(signal.SIGSTOP)
    stopped_at = time.monotonic()
    try:
        blocked = not can_write(field.house.environ["DATABASE_URL"])
        time.sleep(max(0.0, stopped_at + 2 * LEASE_SECONDS - time.monotonic()))
    finally:
        victim.child.send_signal(signal.SIGCONT)
    field.house.observers.append(field.house.observers.pop(0))
    return blocked


def can_write(database_url: str) -> bool:
    store = Store(database_url, WRITE_LOCK_PATIENCE_SECONDS)
    try:
        with store.writing():
            return True
    except StoreUnavailable:
        return False
    finally:
        store.close()


def replace_what_left(field: Field) -> int:
    """Whoever learned that others took it for dead ends itself, and its supervisor would start another."""
    time.sleep(1.0)  # it may be about to
    gone = [observer for observer in field.house.observers if observer.child.poll() is not None]
    for observer in gone:
        field.house.observers.remove(observer)
        field.house.start_observer()
    return len(gone)


def count_hang_ups(field: Field) -> int:
    ledger = requests.get(f"{field.emulator.url}/emulator/ledger?call=none", timeout=60).json()
    return sum(one["path"].endswith("/hangup") for one in ledger["requests"])


def tell(outcome: Outcome) -> None:
    tell_verdict(outcome.verdict)
    print(f"stale rows                 {outcome.stale_rows:9}")
    print(f"stale commands             {outcome.hang_ups:9}")
    print(f"stopped in a transaction   {outcome.in_transaction:9}")
    print(f"observers that left        {outcome.left:9}")


if __name__ == "__main__":
    main()
