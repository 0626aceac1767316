"""`python -m bench.commands --count 10000 --kill-every 3`: whether each command has at most one effect, and what is
said of it is true, while observers are killed; with `--kill-every 0 --others 200`, how soon one reaches the upstream.

Three senders ask for commands of several kinds, 30 % of them a second or third time, on calls that are silent but for
that; others talk beside them. Held against the upstream's own ledger of what reached it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from bench.field import Field, put_up_unread
from bench.figures import milliseconds, tell_machine, tell_spread
from bench.stores import urls

SENDERS = 3
DUPLICATES = 0.3
RATE_OF_OTHERS = 5.0
WAIT_SECONDS = 45.0
"""As long as a command may wait, and be unanswered."""
FINAL = ("confirmed", "refused", "expired", "unknown")


@dataclass
class Asked:
    """One command: what the API said of it in the end, and when it was first asked for, queued by the web, and
    taken up by an observer to be sent (UTC milliseconds)."""

    call_id: str
    body: dict[str, Any]
    at: float = 0.0
    state: str = ""
    code: str | None = None
    queued_at: float = 0.0
    sent_at: float | None = None
    receipts: list[int] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--per-second", type=float, default=60.0)
    parser.add_argument("--calls", type=int, default=20, help="calls that are commanded")
    parser.add_argument("--others", type=int, default=0, help="calls that talk beside them, 5 events/s each")
    parser.add_argument("--kill-every", type=float, default=3.0, help="seconds; 0: nobody is killed")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args()
    tell_machine(f"{asked.count} commands, {asked.per_second:g}/s, seed {asked.seed}, {asked.store}")
    with tempfile.TemporaryDirectory() as folder, urls([asked.store]) as (url,):
        field = put_up_unread(Path(folder), rate=RATE_OF_OTHERS, observers=2, database_url=url)
        with field as put:
            outcome, kills = run(put, asked)
    sys.exit(not tell(outcome, kills, asked.per_second))


def run(put: Field, asked: argparse.Namespace) -> tuple[list[Asked], int]:
    put.open(asked.others, 20.0)
    put.emulator.talk(events_per_second=0.001)
    commanded = len(put.call_ids)
    put.open(asked.calls, 20.0)
    for call_id in put.call_ids[:commanded]:
        upstream_call_id = put.house.call(call_id)["upstream_call_id"]
        put.emulator.talk(call_id=upstream_call_id, events_per_second=RATE_OF_OTHERS)
    put.all_observed()
    chance = random.Random(asked.seed)
    wanted = [
        Asked(chance.choice(put.call_ids[commanded:]), a_command(chance, n)) for n in range(asked.count)
    ]
    over = threading.Event()
    with ThreadPoolExecutor(SENDERS + 1) as senders:
        killing = senders.submit(kill, put, asked.kill_every, over)
        posted = [
            senders.submit(post_all, put, wanted[n::SENDERS], asked.per_second / SENDERS, asked.seed + n)
            for n in range(SENDERS)
        ]
        for one in posted:
            one.result()
        over.set()
        kills = killing.result()
    learn(put, wanted)
    put.end()
    return wanted, kills


def a_command(chance: random.Random, number: int) -> dict[str, Any]:
    """Of every kind that is settled in a way of its own."""
    kind = chance.choices(
        ("whisper", "instructions", "say", "conversation.item.delete", "interrupt"), (6, 2, 2, 1, 1)
    )[0]
    more: dict[str, Any] = {"text": f"Number {number}."} if kind in ("whisper", "instructions", "say") else {}
    if kind == "conversation.item.delete":
        more = {"item_id": f"item_of_nobody_{number}"}
    return {"type": kind, "event_id": f"bench-{number}", **more}


def post_all(put: Field, wanted: list[Asked], per_second: float, seed: int) -> None:
    """One sender: its own commands in their order, and now and then one of them again."""
    chance, began = random.Random(seed), time.monotonic()
    with requests.Session() as session:
        for place, one in enumerate(wanted):
            time.sleep(max(0.0, began + place / per_second - time.monotonic()))
            one.at = time.time() * 1000
            post(session, put, one)
            if chance.random() < DUPLICATES:
                post(session, put, chance.choice(wanted[: place + 1]))


def post(session: requests.Session, put: Field, one: Asked) -> None:
    """Until it is taken: a web that is busy says so, and the same id may come again."""
    while True:
        answer = session.post(f"{put.house.url}/calls/{one.call_id}/commands", json=one.body, timeout=30)
        if answer.status_code == 202:
            return
        assert answer.status_code in (429, 503), answer.text
        time.sleep(0.2)


def kill(put: Field, every: float, over: threading.Event) -> int:
    """kill -9 of the observer that has been there longest, again and again; a new one starts at once."""
    kills = 0
    while every and not over.wait(every):
        put.kill(put.house.observers[0])
        put.house.start_observer()
        kills += 1
    return kills


def learn(put: Field, wanted: list[Asked]) -> None:
    """What the API says in the end, and what the upstream knows."""
    until, open_still = time.monotonic() + WAIT_SECONDS, wanted
    with requests.Session() as session:
        while open_still and time.monotonic() < until:
            time.sleep(1.0)
            for one in open_still:
                said = session.get(
                    f"{put.house.url}/calls/{one.call_id}/commands/{one.body['event_id']}"
                ).json()
                one.state, one.code = said["state"], said["code"]
                one.queued_at = milliseconds(said["at"])
                one.sent_at = milliseconds(said["sent_at"]) if said["sent_at"] else None
            open_still = [one for one in open_still if one.state not in FINAL]
    by_id = {one.body["event_id"]: one for one in wanted}
    for call in put.emulator.ledger()["calls"]:
        for heard in call["client_events"]:
            if heard["event_id"] in by_id:
                by_id[heard["event_id"]].receipts.append(heard["at"])


def faults(outcome: list[Asked]) -> Counter[str]:
    """What must not be: by its name, and what it befell, how often."""
    found: Counter[str] = Counter()
    for one in outcome:
        reached = len(one.receipts)
        undone = one.code in ("nothing_to_do", "not_delivered")
        wrong = {
            "two effects": reached > 1,
            "never settled": one.state not in FINAL,
            "confirmed or refused, and never sent": one.state in ("confirmed", "refused")
            and reached == 0
            and not undone,
            "said not to be sent, and sent": (one.state == "expired" or undone) and reached > 0,
        }
        found.update(f"{name} ({one.body['type']}, {one.code})" for name, is_so in wrong.items() if is_so)
    return found


def tell(outcome: list[Asked], kills: int, per_second: float) -> bool:
    states = Counter(one.state for one in outcome)
    print(f"states                     {dict(states)}; kills {kills}")
    unknown = Counter(f"{one.body['type']}: {one.code}" for one in outcome if one.state == "unknown")
    print(f"unknown                    {dict(unknown)}")
    unknown_allowed = kills * (0.05 * per_second + 1)
    print(
        f"unknown                    {states['unknown']} (at most {unknown_allowed:.0f}: window × rate + 1 a kill)"
    )
    found = faults(outcome)
    print(f"faults                     {dict(found) or 'none'}")
    sent = [(one, one.sent_at) for one in outcome if one.receipts and one.sent_at]
    tell_spread("asked → queued, ms", [one.queued_at - one.at for one in outcome])
    tell_spread("queued → taken up, ms", [at - one.queued_at for one, at in sent])
    tell_spread("taken up → received, ms", [one.receipts[0] - at for one, at in sent])
    tell_spread("asked → received, ms", [one.receipts[0] - one.at for one in outcome if one.receipts])
    return not found and states["unknown"] <= unknown_allowed


if __name__ == "__main__":
    main()
