"""`python -m bench.crashes --times 20`: processes killed at each named point of a call's walk, many times.

The points and how a process comes to them are those of the tests (tests/crash_points.py, tests/crash_scenes.py), which
kill once at each. Several houses die beside each other, since a kill is mostly waiting; each has its own store.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests

from bench.command import STORES
from bench.field import put_up
from bench.figures import tell_machine
from tests.crash_points import POINTS
from tests.crash_scenes import RATE, SETTINGS, Crash
from tests.postgres import Cluster


@dataclass
class Kills:
    """Of one point. `broken`: a sentence for each promise that was not held, and for each kill that went wrong."""

    seconds: list[float] = field(default_factory=list)
    held: int = 0
    broken: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="kills at each point")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument("--points", nargs="*", choices=POINTS, default=list(POINTS), metavar="POINT")
    parser.add_argument("--houses", type=int, default=2 * (os.cpu_count() or 1), help="beside each other")
    asked = parser.parse_args()
    tell_machine(f"{asked.store}, {len(asked.points)} points, {asked.times} kills at each")
    kills = run(asked.points * asked.times, asked.store, asked.houses)
    tell(kills)
    sys.exit(any(one.held < asked.times for one in kills.values()))


def run(points: list[str], store: str, houses: int) -> dict[str, Kills]:
    """Kill once for each of the points; what became of it, by the point."""
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in points:
        todo.put(name)
    kills: dict[str, Kills] = defaultdict(Kills)
    with ThreadPoolExecutor(houses) as workers:
        for done in [workers.submit(_work, todo, store, kills) for _ in range(houses)]:
            done.result()
    return {name: kills[name] for name in POINTS if name in kills}


def _work(todo: queue.SimpleQueue[str], store: str, kills: dict[str, Kills]) -> None:
    """A house after the other: one in which a kill went wrong is given up, whatever it still says."""
    while not todo.empty():
        went_well = True
        try:
            with _house(store) as crash:
                while went_well and (name := _next(todo)):
                    went_well = _kill(crash, name, kills[name])
                if went_well:
                    crash.verify()
        except AssertionError:
            if went_well:
                raise


def _next(todo: queue.SimpleQueue[str]) -> str | None:
    try:
        return todo.get_nowait()
    except queue.Empty:
        return None


def _kill(crash: Crash, name: str, kills: Kills) -> bool:
    """Whether the kill went as it should, whatever was promised."""
    began = time.monotonic()
    try:
        broken = crash.at(name)
    except (AssertionError, requests.RequestException) as error:
        kills.broken.append(f"went wrong: {error}")
        return False
    finally:
        kills.seconds.append(time.monotonic() - began)
    kills.held += not broken
    kills.broken += [f"{promise}: {what}" for promise, said in broken.items() for what in said]
    return True


@contextlib.contextmanager
def _house(store: str) -> Iterator[Crash]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as cleaning:
        cluster, url = None, None
        if store == "postgresql":
            cluster = Cluster()
            cleaning.callback(cluster.remove)
            cluster.start()
            url = cluster.url(cluster.make_database("template0"))
        with put_up(Path(folder), rate=RATE, observers=0, database_url=url, **SETTINGS) as field:
            yield Crash(field, cluster)


def tell(kills: dict[str, Kills]) -> None:
    print(f"{'killed':38} {'times':>5} {'promises held':>13} {'seconds each':>12}")
    for name, one in kills.items():
        print(f"{name:38} {len(one.seconds):5} {one.held:13} {statistics.median(one.seconds):12.1f}")
        for what in one.broken:
            print(f"    {what}")
    print(
        f"{'in all':38} {sum(len(k.seconds) for k in kills.values()):5} {sum(k.held for k in kills.values()):13}"
    )


if __name__ == "__main__":
    main()
