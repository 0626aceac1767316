"""`python -m bench.tool_kills --count 300 --kill-every 2`: whether a tool ever runs twice, while observers are killed.

Each run of the tool leaves a line of its own in a file before it answers, so that whoever dies a moment later has run.
Held against that: what the log says became of each run, once nobody is killed any more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.command import STORES
from bench.commands import kill
from bench.field import Field, put_up_unread
from bench.figures import tell_machine
from bench.stores import urls

PROFILES = """[default]
model = "gpt-realtime"
transcription = false
[default.tools.refund]
kind = "python"
function = "tests.observer.operators_tools:refund"
"""
SILENT = 0.001
OPEN = ("waiting", "started")
SETTLED_SECONDS, QUIET_SECONDS = 60.0, 5.0
"""A call that changes hands is followed again within a few seconds."""


@dataclass(frozen=True)
class Outcome:
    """`asked`: how often somebody made the model want the tool; `runs`: how often each order was refunded; `states`:
    what the log says of the runs."""

    asked: int
    kills: int
    runs: Counter[int]
    states: Counter[str]

    @property
    def twice(self) -> list[int]:
        return [order for order, times in self.runs.items() if times > 1]

    @property
    def faults(self) -> list[str]:
        """What must not be, each a sentence."""
        ran = self.runs.total()
        if not ran:
            return ["nothing ran"]
        said = [f"{order} was refunded {self.runs[order]} times" for order in self.twice]
        said += [
            f"{count} runs are {state} for ever" for state, count in self.states.items() if state in OPEN
        ]
        if ran < self.states["answered"]:
            said.append(f"{self.states['answered']} runs are answered, and {ran} ran")
        if ran > self.states["answered"] + self.states["unknown"]:
            said.append(
                f"{ran} ran, and {self.states['answered']} are answered, {self.states['unknown']} unknown"
            )
        return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--per-second", type=float, default=5.0)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--kill-every", type=float, default=2.0, help="seconds")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    asked = parser.parse_args()
    tell_machine(f"{asked.count} times a tool, a kill each {asked.kill_every:g} s, {asked.store}")
    with tempfile.TemporaryDirectory() as name, urls([asked.store]) as (url,):
        outcome = run(Path(name), url, asked.calls, asked.count, asked.per_second, asked.kill_every)
    sys.exit(not tell(outcome))


def run(folder: Path, url: str, calls: int, count: int, per_second: float, every: float) -> Outcome:
    profiles = folder / "profiles.toml"
    profiles.write_text(PROFILES)
    field = put_up_unread(
        folder, rate=SILENT, observers=2, database_url=url, SWITCHBOARD_PROFILES=str(profiles)
    )
    with field as put, ThreadPoolExecutor(1) as beside:
        put.open(calls, 10.0)
        put.all_observed()
        over = threading.Event()
        killing = beside.submit(kill, put, every, over)
        asked = ask_all(put, count, per_second)
        over.set()
        kills = killing.result()
        states = settled(put)
        return Outcome(asked, kills, runs(Path(put.house.environ["HOME"], "ledger")), states)


def ask_all(put: Field, count: int, per_second: float) -> int:
    """Have the model want the tool, each time for another order; returns how often somebody was heard."""
    upstream = {call_id: put.house.call(call_id)["upstream_call_id"] for call_id in put.call_ids}
    began, heard = time.monotonic(), 0
    for order in range(count):
        time.sleep(max(0.0, began + order / per_second - time.monotonic()))
        call_id = put.call_ids[order % len(put.call_ids)]
        heard += ask(put, call_id, upstream[call_id], order)
    return heard


def ask(put: Field, call_id: str, upstream_call_id: str, order: int) -> bool:
    words = f"Refund {order}."
    wants = {words: [{"name": "refund", "arguments": {"order_id": order}}]}
    script = {"tools": wants, "call_id": upstream_call_id}
    assert requests.post(f"{put.emulator.url}/emulator/script", json=script, timeout=10).ok
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
    events = ({"type": "conversation.item.create", "item": item}, {"type": "response.create"})
    return all(put.house.command(call_id, event).status_code == 202 for event in events)


def settled(put: Field) -> Counter[str]:
    """What the log says of all runs, once none is open and nothing changes any more, or they had time enough."""
    until, found, since = time.monotonic() + SETTLED_SECONDS, Counter[str](), time.monotonic()
    while time.monotonic() < until:
        time.sleep(0.5)
        now = Counter(one["state"] for call_id in put.call_ids for one in put.house.call(call_id)["tools"])
        if now != found or any(now[state] for state in OPEN):
            found, since = now, time.monotonic()
        elif time.monotonic() - since > QUIET_SECONDS:
            break
    return found


def runs(ledger: Path) -> Counter[int]:
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return Counter(json.loads(line)["order_id"] for line in lines)


def tell(outcome: Outcome) -> bool:
    print(f"asked for                  {outcome.asked:9}; kills {outcome.kills}")
    print(f"ran                        {outcome.runs.total():9}; twice {len(outcome.twice)}")
    print(f"the log says               {dict(outcome.states)}")
    print(f"faults                     {outcome.faults or 'none'}")
    return not outcome.faults


if __name__ == "__main__":
    main()
