"""`python -m bench.statements`: what each statement of a call's life takes in its transaction, with SQLite's lock in
hand; the commit is not in it."""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

from bench import stores
from call_log import calls, nodes
from call_log.store import Connection, Store

NODE = "node_of_bench"
Result = TypeVar("Result")


class Timed:
    """The seconds that statements took, by their name, in the order in which they came first."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}

    def __call__(self, name: str, statement: Callable[..., Result], *asked: Any, **more: Any) -> Result:
        began = time.perf_counter()
        result = statement(*asked, **more)
        self.took.setdefault(name, []).append(time.perf_counter() - began)
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("kinds", nargs="*", default=["sqlite", "postgresql"])
    asked = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {asked.calls} calls; medians in ms")
    with stores.urls(asked.kinds) as urls:
        for kind, url in zip(asked.kinds, urls, strict=True):
            for name, took in measure(Store(url), asked.calls).items():
                print(f"{kind:10}  {name:22} {statistics.median(took) * 1000:7.2f}")


def measure(store: Store, count: int) -> dict[str, list[float]]:
    """Seconds by the statement's name, of so many calls that live one after the other."""
    timed = Timed()
    stores.join(store, NODE)
    for _ in range(count):
        with store.writing() as db:
            live(db, timed)
    store.close()
    return timed.took


def live(db: Connection, timed: Timed) -> None:
    """One call from its intent to its end, as web and observer write it."""
    call_id, at = calls.new_call_id(), stores.NOW
    timed("intent", calls.dial, db, call_id=call_id, at=at, **stores.USUAL)
    timed(
        "answer",
        calls.answer,
        db,
        call_id,
        upstream_call_id=f"rtc_{call_id}",
        upstream_request_id=None,
        at=at,
    )
    timed("heartbeat", nodes.heartbeat, db, NODE)
    (call,) = timed("claim", calls.claim, db, NODE, limit=1, at=at)
    timed("looking for an heir's", calls.reserve, db, NODE, limit=1)
    held = {"number": call.number, "epoch": call.epoch, "node_id": NODE}
    timed("observed", calls.update_held, db, **held, state="observed", observed_at=at)
    timed(
        "summary",
        calls.summarise_held,
        db,
        node_id=NODE,
        summaries=[calls.Summary(call.number, call.epoch, "{}", 0, None)],
    )
    timed("wish", calls.wish_hang_up, db, call_id, reason="caller_hung_up", by="caller", at=at)
    end = {"end_reason": "caller_hung_up", "end_certainty": "stated", "summary": "{}", "spent": 0}
    timed("end", calls.update_held, db, **held, state="ended", ended_at=at, holder=None, **end)


if __name__ == "__main__":
    main()
