"""`python -m bench.limits --calls 50`: how far from its limit each call really ended, though observers were killed.

First calls with a duration, then as many with a limit of spend, on two observers; one of them gets kill -9 in the
middle, and of the first calls another a second before their limits fall due. The upstream's ledger says when each
call ended, and which responses it gave; what each of these cost is in the call log, and what is missing there, since
nobody listened, is taken to have cost what others did.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from bench.field import Field, put_up_unread
from bench.figures import tell_machine, tell_spread
from call_log.schema import calls, events
from call_log.store import Store
from realtime.caps import MILLIONTHS
from realtime.events import RESPONSE_DONE, TRANSCRIPTION_COMPLETED
from realtime.prices import Prices
from realtime.usage import Usage
from tests.processes import until

OBSERVERS = 2
PAID = (RESPONSE_DONE, TRANSCRIPTION_COMPLETED)
MODEL, TRANSCRIBER = "gpt-realtime", "gpt-4o-transcribe"
BAR_SECONDS, BAR_RESPONSES = 2.0, 1
PROFILES = f"""
[default]
model = "{MODEL}"
transcription = "{TRANSCRIBER}"
[lasting]
model = "{MODEL}"
transcription = "{TRANSCRIBER}"
limits.duration = %(seconds)g
[paying]
model = "{MODEL}"
transcription = "{TRANSCRIBER}"
limits.spend = %(spend)g
"""


@dataclass(frozen=True)
class Outcome:
    """`seconds`: from each call's limit to its end upstream; `responses`: how many each gave beyond the one that used
    its money up, where everything was heard; `gapped`: where nobody listened for a while, and something was paid for
    meanwhile; `ends`: how many calls ended for which reason."""

    seconds: list[float]
    responses: list[int]
    gapped: list[int]
    ends: dict[str, int]

    @property
    def is_good(self) -> bool:
        return (
            all(abs(late) <= BAR_SECONDS for late in self.seconds)
            and max(self.responses, default=0) <= BAR_RESPONSES
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--rate", type=float, default=10.0, help="events per second of each call")
    parser.add_argument("--duration", type=float, default=30.0, help="seconds")
    parser.add_argument("--spend", type=float, default=0.05, help="dollars")
    asked = parser.parse_args()
    tell_machine(f"{asked.calls} calls × {asked.rate:g} events/s; {asked.duration:g} s, $ {asked.spend:g}")
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder), asked.calls, asked.rate, asked.duration, asked.spend)
    tell(outcome)
    sys.exit(not outcome.is_good)


def run(folder: Path, count: int, rate: float, seconds: float, spend: float) -> Outcome:
    profiles = folder / "profiles.toml"
    profiles.write_text(PROFILES % {"seconds": seconds, "spend": spend})
    field = put_up_unread(folder, rate=rate, observers=OBSERVERS, SWITCHBOARD_PROFILES=str(profiles))
    with field as put:
        began = time.monotonic()
        put.open(count, 5.0, profile="lasting")
        _kill_at(put, began + seconds / 2)
        _kill_at(put, began + seconds - 1)
        _all_over(put)
        put.open(count, 5.0, profile="paying")
        _kill_at(put, time.monotonic())
        _all_over(put)
        return _judge(put, seconds, round(spend * MILLIONTHS))


def _kill_at(field: Field, moment: float) -> None:
    """kill -9 of the observer that has been there longest, once another one is there; a new one comes at once."""
    time.sleep(max(0.0, moment - time.monotonic()))
    until(lambda: field.nodes() >= OBSERVERS, "as many observers as there should be", 60.0)
    field.kill(field.house.observers[0])
    field.house.start_observer()


def _all_over(field: Field) -> None:
    is_open = select(calls.c.number).where(calls.c.ended_at.is_(None)).limit(1)

    def over() -> bool:
        with field.store.reading() as db:
            return db.execute(is_open).one_or_none() is None

    until(over, "the calls' ends", 180.0)


def _judge(field: Field, seconds: float, cap: int) -> Outcome:
    lates, responses, gapped, ends = list[float](), list[int](), list[int](), dict[str, int]()
    for row in _rows(field.store):
        truth = _truth(field, row.upstream_call_id)
        ends[row.end_reason] = ends.get(row.end_reason, 0) + 1
        if row.profile == "lasting":
            lates.append((truth["ended_at"] - truth["answered_at"]) / 1000 - seconds)
        else:
            paid = [one for one in truth["events"] if one["type"] in PAID]
            heard = _costs(field.store, row.number)
            of_its_kind = responses if all(one["event_id"] in heard for one in paid) else gapped
            of_its_kind.append(overshoot(paid, heard, cap))
    return Outcome(lates, responses, gapped, ends)


def _rows(store: Store) -> Sequence[Any]:
    with store.reading() as db:
        return db.execute(
            select(calls.c.number, calls.c.upstream_call_id, calls.c.profile, calls.c.end_reason)
        ).all()


def _truth(field: Field, upstream_call_id: str) -> Mapping[str, Any]:
    asked = {"call": upstream_call_id}
    answer = requests.get(f"{field.emulator.url}/emulator/ledger", params=asked, timeout=30)
    (call,) = answer.json()["calls"]
    return dict(call)


def _costs(store: Store, number: int) -> dict[str, int]:
    """What each paid event of a call cost, in millionths of a dollar, by its id."""
    paid = select(events.c.event_id, events.c.type, events.c.body).where(
        events.c.number == number, events.c.type.in_(PAID)
    )
    with store.reading() as db:
        rows = db.execute(paid).all()
    return {row.event_id: _cost(row.type, json.loads(row.body)) for row in rows}


def _cost(type: str, event: Mapping[str, Any]) -> int:
    usage = Usage()
    if type == RESPONSE_DONE:
        usage.add(event["response"]["usage"])
    else:
        usage.add_transcription(event["usage"])
    usd = Prices.load().cost(usage.totals(), MODEL, TRANSCRIBER).usd
    assert usd is not None
    return round(usd * MILLIONTHS)


def overshoot(paid: Sequence[Mapping[str, Any]], heard: Mapping[str, int], cap: int) -> int:
    """How many responses came after the paid event that used the money up."""
    usual = {type: _usual([heard[one["event_id"]] for one in paid if _is(one, type, heard)]) for type in PAID}
    spent, beyond = 0, 0
    for one in paid:
        beyond += spent >= cap and one["type"] == RESPONSE_DONE
        spent += heard.get(one["event_id"], usual[one["type"]])
    return beyond


def _is(one: Mapping[str, Any], type: str, heard: Mapping[str, int]) -> bool:
    return one["type"] == type and one["event_id"] in heard


def _usual(costs: list[int]) -> int:
    return round(statistics.mean(costs)) if costs else 0


def tell(outcome: Outcome) -> None:
    print("ends                       " + ", ".join(f"{why} {n}" for why, n in sorted(outcome.ends.items())))
    tell_spread("end − duration, s", outcome.seconds)
    print(f"earliest, s                {min(outcome.seconds):9.2f}")
    tell_spread("responses beyond spend", [float(n) for n in outcome.responses])
    tell_spread("    with a gap", [float(n) for n in outcome.gapped])


if __name__ == "__main__":
    main()
