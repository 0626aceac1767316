"""`python -m bench.races`: processes race for the same calls, a few at each claim; each call must have one winner."""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import queue
import random
import time
from typing import Any

from bench import stores
from call_log import calls
from call_log.store import Store

NODES = ("node_1", "node_2", "node_3", "node_4")
BEAT_SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("kinds", nargs="*", default=["sqlite", "postgresql"])
    asked = parser.parse_args()
    with stores.urls(asked.kinds) as urls:
        for url in urls:
            began = time.monotonic()
            claims = race(url, asked.calls, asked.seed)
            took = time.monotonic() - began
            print(
                f"{url.partition(':')[0]:10}  seed {asked.seed}: {asked.calls} calls, one winner each; ",
                end="",
            )
            print(f"{claims} claims by {len(NODES)} processes, {took:.1f} s with the preparations")


def race(url: str, count: int, seed: int) -> int:
    """Let four processes claim all of `count` calls; how many claims that took. Fails where a call has two winners,
    or none."""
    store = Store(url)
    stores.answered(store, count)
    stores.join(store, *NODES)
    spawn = multiprocessing.get_context("spawn")
    start, results = spawn.Barrier(len(NODES)), spawn.Queue()
    racers = [
        spawn.Process(target=_claim_all, args=(url, node, seed + place, start, results))
        for place, node in enumerate(NODES)
    ]
    for racer in racers:
        racer.start()
    ended: list[tuple[int, list[tuple[int, int]]]] = []
    while len(ended) < len(racers):
        stores.beat(store, *NODES)
        with contextlib.suppress(queue.Empty):
            ended.append(results.get(timeout=BEAT_SECONDS))
        assert not any(racer.exitcode for racer in racers), "a racer fell"
    for racer in racers:
        racer.join()
    store.close()
    won = [holding for _, holdings in ended for holding in holdings]
    assert len(won) == count and len({number for number, _ in won}) == count, (
        "a call has two winners, or none"
    )
    assert {epoch for _, epoch in won} == {1}
    return sum(claims for claims, _ in ended)


def _claim_all(url: str, node_id: str, seed: int, start: Any, results: Any) -> None:
    store, chance = Store(url, patience=60), random.Random(seed)
    won: list[tuple[int, int]] = []
    claims = in_vain = 0
    start.wait(60)
    while in_vain < 3:  # what another has locked is passed over, and might be free again
        with store.writing() as db:
            taken = calls.claim(db, node_id, limit=chance.randint(1, 9), at=stores.NOW)
        won += [(call.number, call.epoch) for call in taken]
        claims, in_vain = claims + 1, 0 if taken else in_vain + 1
    store.close()
    results.put((claims, won))


if __name__ == "__main__":
    main()
