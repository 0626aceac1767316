"""`python -m bench.restart`: a clean restart with many open calls, then rollovers of everything while calls come in.

First: one observer is told to stop and another is started in its place; how long until each call has a sideband again.
Then, as a deployment does it, many times: a new observer is started and the old one told to stop, and gunicorn replaces
its workers (SIGHUP), while calls are opened and ended all the time. No call may be refused, dropped or lost.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench import rollovers as report
from bench.churn import Churn
from bench.field import Field, put_up
from bench.figures import tell_machine, tell_verdict, worker_of
from bench.rollovers import Effects, Span, effects
from bench.verdict import Verdict
from tests.processes import until

LONGEST_SECONDS = 60.0
CAUGHT_UP = 20
"""No more calls than that wait for their end when a rollover begins: each begins with as many calls."""


@dataclass(frozen=True)
class Outcome:
    """`from_stop` and `from_start`: seconds until all was attached again, since the old observer was told to stop and
    since the new one was started. `refused`: what calls met instead of a 201."""

    verdict: Verdict
    from_stop: float
    from_start: float
    opened: int
    refused: list[str]
    rollovers: list[Effects]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rate", type=float, default=1.0, help="events per second of each call")
    parser.add_argument("--rollovers", type=int, default=10)
    parser.add_argument("--connects", type=float, default=20.0, help="calls opened per second meanwhile")
    parser.add_argument("--database-url", default=None)
    asked = parser.parse_args()
    tell_machine(
        f"{asked.calls} calls × {asked.rate:g} events/s, {asked.rollovers} rollovers under {asked.connects:g} calls/s"
    )
    with tempfile.TemporaryDirectory() as folder:
        field = put_up(Path(folder), rate=asked.rate, database_url=asked.database_url)
        with field as put:
            outcome = run(put, asked.calls, asked.rollovers, asked.connects)
    tell(outcome)
    sys.exit(not outcome.verdict.is_good or bool(outcome.refused))


def run(field: Field, calls: int, rollovers: int, connects: float) -> Outcome:
    field.open(calls, 20.0)
    field.all_observed()
    from_stop, from_start = restart(field)
    with Churn(field, connects) as churn:
        spans = [measured(field, churn) for _ in range(rollovers)]
    field.silence()
    met = effects(field.store, spans)
    field.end()
    return Outcome(field.judge()[0], from_stop, from_start, churn.opened, churn.refused, met)


def measured(field: Field, churn: Churn) -> Span:
    """Roll over once, from as many calls as ever; when, and what calls met meanwhile."""
    until(lambda: churn.overdue < CAUGHT_UP, "as few calls as before", LONGEST_SECONDS)
    began, before = time.time() * 1000, len(churn.refused)
    roll_over(field)
    return Span(began, time.time() * 1000, churn.refused[before:])


def restart(field: Field) -> tuple[float, float]:
    """Seconds until all is attached again, since the stop and since the start."""
    told_at = time.monotonic()
    stop(field)
    started_at = time.monotonic()
    field.house.start_observer()
    field.all_observed()
    return time.monotonic() - told_at, time.monotonic() - started_at


def roll_over(field: Field) -> None:
    """A new observer, then the old one's end; a new web worker, then the old one's end."""
    field.house.start_observer()
    until(lambda: field.nodes() == 2, "the new observer", LONGEST_SECONDS)
    stop(field)
    web = field.house.web
    assert web is not None
    old = worker_of(web.child.pid)
    web.child.send_signal(signal.SIGHUP)
    until(lambda: worker_of(web.child.pid) != old, "the new worker", LONGEST_SECONDS)
    field.house.ready()


def stop(field: Field) -> None:
    """The observer that has been there longest hands over what it has, and leaves."""
    observer = field.house.observers.pop(0)
    observer.child.send_signal(signal.SIGTERM)
    assert observer.child.wait(LONGEST_SECONDS) == 0, observer.said()[-3000:]


def tell(outcome: Outcome) -> None:
    print(f"all attached again         {outcome.from_stop:9.2f} s after the stop")
    print(f"                           {outcome.from_start:9.2f} s after the start")
    print(f"calls opened meanwhile     {outcome.opened:9}")
    print(f"calls refused              {len(outcome.refused):9}")
    for met, times in Counter(outcome.refused).most_common(5):
        print(f"    {times} times {met}")
    report.tell(outcome.rollovers)
    tell_verdict(outcome.verdict)


if __name__ == "__main__":
    main()
