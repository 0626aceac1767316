"""`python -m bench.append`: rows per second through events.append, and how long it takes to claim 500 calls and to
read what their earlier holders left."""

from __future__ import annotations

import argparse
import platform
import statistics
import time

from bench import stores
from call_log import calls, events, inheritance
from call_log.events import EventRow
from call_log.store import Store

NODE, CALLS, INHERITED = "node_of_bench", 500, 5
BODY = b'{"type":"response.output_audio_transcript.delta","delta":"' + b"x" * 340 + b'"}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each size of batch")
    parser.add_argument("kinds", nargs="*", default=["sqlite", "postgresql"])
    asked = parser.parse_args()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, events of {len(BODY)} bytes of {CALLS} calls"
    )
    with stores.urls(asked.kinds) as urls:
        for url in urls:
            measure(url, asked.seconds)


def measure(url: str, seconds: float) -> None:
    kind, store = url.partition(":")[0], Store(url)
    stores.answered(store, CALLS)
    stores.join(store, NODE)
    began = time.perf_counter()
    with store.writing() as db:
        claimed = calls.claim(db, NODE, limit=CALLS, at=stores.NOW)
    print(f"{kind:10}  claim of {len(claimed)} calls   {(time.perf_counter() - began) * 1000:8.1f} ms")
    holdings = {call.number: call.epoch for call in claimed}
    seqs = dict.fromkeys(holdings, 0)
    for size in (100, 1_000):
        took = append(store, holdings, seqs, size, seconds)
        print(
            f"{kind:10}  batches of {size:5}     {size * len(took) / sum(took):8.0f} rows/s, "
            f"{statistics.median(took) * 1000:.2f} ms median, {max(took) * 1000:.1f} ms longest"
        )
    took = [inherit(store, seqs) for _ in range(INHERITED)]
    print(f"{kind:10}  ends of {len(seqs)} logs     {statistics.median(took) * 1000:8.1f} ms median")
    store.close()


def inherit(store: Store, seqs: dict[int, int]) -> float:
    """Seconds until it is known how the logs of these calls end."""
    began = time.perf_counter()
    with store.reading() as db:
        assert inheritance.of(db, seqs).keys() == seqs.keys()
    return time.perf_counter() - began


def append(
    store: Store, holdings: dict[int, int], seqs: dict[int, int], size: int, seconds: float
) -> list[float]:
    """Write batches one after the other for so long; the seconds that each took, flushed to the disk."""
    took: list[float] = []
    numbers = list(holdings)
    while sum(took) < seconds:
        batch = []
        for place in range(size):
            number = numbers[(len(took) * size + place) % len(numbers)]
            seqs[number] += 1
            batch.append(EventRow(number, seqs[number], stores.NOW, "upstream", "t", "event_1", BODY))
        began = time.perf_counter()
        with store.writing() as db:
            assert events.append(db, NODE, holdings, batch) == set()
        took.append(time.perf_counter() - began)
        store.checkpoint()
    return took


if __name__ == "__main__":
    main()
