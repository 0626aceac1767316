"""`python -m bench.memory`: what the seal costs for each event, and what an erasure and a verification take.

One process, one SQLite file in a temporary folder: a hundred calls whose events lie between each other's, as they do
in life; then some of them are erased, a stretch at a time, and all are verified.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from call_log import calls, erasure, events, migrations, nodes, verify
from call_log.call import Call
from call_log.events import EventRow
from call_log.seal import Chain, Seal
from call_log.store import Store

SEAL = Seal.of("5e" * 32)
NODE = "node_of_bench"
BODY = b'{"type":"response.output_audio_transcript.delta","delta":"' + b"x" * 340 + b'"}'
CALLS, BATCH = 100, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=1_000, help=f"of {BATCH} events, one of each call")
    batches = parser.parse_args().batches
    print(f"{platform.machine()}, Python {platform.python_version()}, events of {len(BODY)} bytes")
    print(f"sealing one event                {seal_cost() * 1e6:9.1f} µs")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        migrations.upgrade(url)
        store = Store(url)
        plain, sealed = write(store, batches, None), write(store, batches, SEAL)
        print(f"appending {BATCH} events, unsealed    {statistics.median(plain) * 1000:9.2f} ms (median)")
        print(f"appending {BATCH} events, sealed      {statistics.median(sealed) * 1000:9.2f} ms (median)")
        print(
            f"the file                         {Path(f'{folder}/bench.db').stat().st_size / 2**20:9.1f} MiB"
        )
        tell_verification(store)
        tell_erasure(store, 10)
        store.close()


def seal_cost() -> float:
    """Seconds for one event."""
    chain, rounds = Chain(SEAL, "call_" + "0" * 32, b"s" * 16, None), 20_000
    rows = [EventRow(1, seq, seq, "upstream", "response.done", "event_1", BODY) for seq in range(rounds)]
    began = time.perf_counter()
    for row in rows:
        chain.sealed(row)
    return (time.perf_counter() - began) / rounds


def write(store: Store, batches: int, seal: Seal | None) -> list[float]:
    """Seconds of each batch, sealing included; the calls are over afterwards."""
    held = list(held_calls(store))
    chains = [Chain(seal, call.call_id, call.salt or b"", None) if seal else None for call in held]
    epochs, took = {call.number: call.epoch for call in held}, []
    for seq in range(1, batches + 1):
        began = time.perf_counter()
        rows = [
            EventRow(call.number, seq, seq, "upstream", "response.done", f"e_{seq}", BODY) for call in held
        ]
        stored = [chain.sealed(row) if chain else row for chain, row in zip(chains, rows, strict=True)]
        with store.writing() as db:
            assert not events.append(db, NODE, epochs, stored)
        took.append(time.perf_counter() - began)
        if seq % 50 == 0:
            store.checkpoint()
            with store.writing() as db:
                nodes.heartbeat(db, NODE)
    with store.writing() as db:
        for call in held:
            calls.update_held(db, call.number, call.epoch, NODE, state="ended", ended_at=1, end_reason="unknown",
                              end_certainty="inferred", holder=None)  # fmt: skip
    return took


def held_calls(store: Store) -> Iterator[Call]:
    with store.writing() as db:
        nodes.leave(db, NODE)
        nodes.join(db, NODE, host="here", pid=1, lock_path="/nowhere", version="1")
        for _ in range(CALLS):
            call = calls.dial(db, call_id=calls.new_call_id(), profile="p", model="m", caller="c", upstream="azure",
                              recording="preferred", metadata=None, consent=None, at=1)  # fmt: skip
            calls.answer(
                db, call.call_id, upstream_call_id=f"rtc_{call.number}", upstream_request_id=None, at=1
            )
        yield from calls.claim(db, NODE, limit=CALLS, at=1)


def tell_verification(store: Store) -> None:
    began, walked = time.perf_counter(), 0
    for verdict in verify.every(store, SEAL):
        walked += verdict.events
    print(f"verifying                        {walked / (time.perf_counter() - began):9.0f} events/s")


def tell_erasure(store: Store, count: int) -> None:
    with store.reading() as db:
        marked = calls.list_page(db, limit=count)
    took, began = [], time.perf_counter()
    with store.writing() as db:
        for call in marked:
            erasure.mark(db, call.call_id, by="bench", at=2)
        left = erasure.unfinished(db, limit=count)
    for one in left:
        while not one.is_empty:
            start = time.perf_counter()
            with store.writing() as db:
                one = erasure.empty_a_stretch(db, one)
            took.append(time.perf_counter() - start)
    scrubbing = time.perf_counter()
    assert store.scrub()
    now = time.perf_counter()
    events_erased = sum(one.last_seq for one in left)
    print(f"erasing {count} calls, {events_erased} events   {(now - began) * 1000:9.0f} ms, of which the last step "
          f"{(now - scrubbing) * 1000:.0f} ms")  # fmt: skip
    print(f"one of its transactions          {statistics.median(took) * 1000:9.1f} ms (median), "
          f"{max(took) * 1000:.1f} ms (longest of {len(took)})")  # fmt: skip


if __name__ == "__main__":
    main()
