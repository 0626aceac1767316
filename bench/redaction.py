"""`python -m bench.redaction`: what it costs to leave the content of an event out, and to redact it.

The events of a recorded voice turn, again and again: without content in the observer's own process, redacted through
the two processes of a profile (four patterns), one event after the other and fifty at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import time

import uvloop

from observer.discretion import Discretion, Entry
from observer.limits import Limits
from observer.redaction import Redactor, Rule
from realtime.content import encoded, without_content
from realtime.events import header, read
from realtime.redaction import Redaction
from tests.player import recorded

PATTERNS = (
    r"\b\d{13,19}\b",
    r"[\w.+-]+@[\w-]+\.[\w.]+",
    r"\+?\d[\d /-]{7,}\d",
    r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b",
)
AT_ONCE = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    events = parser.parse_args().events
    frames = [
        frame["event"] for frame in recorded("azure_voice_turn")["frames"] if frame["direction"] == "received"
    ]
    lines = [json.dumps(frame).encode() for frame in frames]
    lines = (lines * (events // len(lines) + 1))[:events]
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {events} events of a recorded voice turn"
    )
    print(f"without content: {strip(lines):.1f} µs an event")
    uvloop.run(redact(lines))


def strip(lines: list[bytes]) -> float:
    """Microseconds for an event."""
    began = time.perf_counter()
    for raw in lines:
        encoded(without_content(read(raw) or {}))
    return (time.perf_counter() - began) / len(lines) * 1e6


async def redact(lines: list[bytes]) -> None:
    redactor = Redactor("bench", Redaction(PATTERNS), Limits(redaction=10, redaction_waited=60))
    try:
        await redactor.submit("upstream", lines[0])
        whole = [raw for raw in lines if not header(raw).type.endswith(".delta")]
        took = [await _one(redactor, raw) for raw in whole[: len(whole) // 2]]
        worst = statistics.quantiles(took, n=100)[98]
        print(f"redacted, one at a time: median {statistics.median(took):.0f} µs, p99 {worst:.0f} µs")
        print(f"redacted, {AT_ONCE} at a time: {await _together(redactor, whole):.0f} µs an event")
        print(f"a call's own mix, through its discretion: {await _mixed(redactor, lines):.0f} µs an event")
    finally:
        await redactor.close()


async def _one(redactor: Redactor, raw: bytes) -> float:
    began = time.perf_counter()
    assert (await redactor.submit("upstream", raw)).body is not None
    return (time.perf_counter() - began) * 1e6


async def _together(redactor: Redactor, lines: list[bytes]) -> float:
    began = time.perf_counter()
    for start in range(0, len(lines), AT_ONCE):
        await asyncio.gather(*(redactor.submit("upstream", raw) for raw in lines[start : start + AT_ONCE]))
    return (time.perf_counter() - began) / len(lines) * 1e6


async def _mixed(redactor: Redactor, lines: list[bytes]) -> float:
    kept: list[Entry] = []
    discretion = Discretion(Rule(redactor=redactor), kept.append)
    began = time.perf_counter()
    for start in range(0, len(lines), AT_ONCE):
        for raw in lines[start : start + AT_ONCE]:
            said = header(raw)
            discretion.take(Entry("upstream", said.type, said.event_id, raw, 1))
        await discretion.settled()
    assert len(kept) == len(lines)
    return (time.perf_counter() - began) / len(lines) * 1e6


if __name__ == "__main__":
    main()
