"""Real processes are killed with SIGKILL at each named point of a call's walk, and everything that was promised holds:
what was seen is still there, what may be missing is marked, no call runs on unseen, and the seals fit."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from call_log import journal
from tests.crash_points import OBSERVER, POINTS, WEB
from tests.observer.test_outages import locked
from tests.observer.test_succession import node_of
from tests.processes import Emulator, House, Process, until
from tests.promises import Watcher, broken_promises

OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
CALLS = 2
OF_THE_WEB = [name for name, point in POINTS.items() if point.process == "web"]
OF_THE_OBSERVER = [name for name, point in POINTS.items() if point.process == "observer"]


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An upstream without media whose calls say fifty events a second."""
    folder = tmp_path_factory.mktemp("talker")
    running = Emulator.start(folder, "--events-only", "--events-per-second", "50")
    yield running
    assert running.process.stop() == 0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, talker: Emulator) -> Iterator[House]:
    built = House.build(tmp_path_factory.mktemp("crashes"), talker.url, SWITCHBOARD_SEAL_KEY="5e" * 32)
    built.start_web()
    yield built
    built.stop()
    built.verify()


@pytest.mark.parametrize("name", OF_THE_OBSERVER)
def test_an_observer_may_die_at_any_point(house: House, talker: Emulator, name: str) -> None:
    point = POINTS[name]
    with Watcher(house) as watcher:
        calls = SCENES[point.scene](house, name)
        for call_id in calls:
            await_life(house, call_id)
            house.hang_up(call_id)
            house.ended(call_id)
    assert broken_promises(house, talker, calls, watcher) == {}
    for observer in house.observers:
        assert observer.stop() == 0
    house.observers.clear()


@pytest.mark.parametrize("name", OF_THE_WEB)
def test_a_web_worker_may_die_at_any_point(house: House, talker: Emulator, name: str) -> None:
    assert house.web is not None
    house.web.stop()
    house.start_observer()
    dying = house.start_web("-c", WEB.format(name=name))
    house.ready()
    with pytest.raises(requests.ConnectionError):
        house.connect(OFFER)
    dying.stop()
    house.start_web()
    (row,) = house.get("/calls?limit=1").json()["calls"] or [{"id": None}]
    written = name not in ("nothing is written yet",)
    upstream = {call["id"] for call in talker.ledger()["calls"] if call["ended_at"] is None}
    if POINTS[name].place.endswith(("_write_outcome", ".open")):
        call = house.observed(row["id"])
        assert upstream == {call["upstream_call_id"]}, "an observer attached to it all the same"
        house.hang_up(row["id"])
        house.ended(row["id"])
    elif written:
        assert row["state"] == "dialling", "the intent can be counted"
        with contextlib.suppress(requests.HTTPError):
            house.hang_up(row["id"])
    talker.talk(end=True)
    (observer,) = house.observers
    assert observer.stop() == 0
    house.observers.clear()


def await_life(house: House, call_id: str) -> None:
    """Wait until somebody records the call again; one that is over needs nobody."""
    already = len(house.events(call_id))
    until(
        lambda: house.call(call_id)["state"] in ("ended",) or len(house.events(call_id, after=already)) > 9,
        "the next observer",
    )


def armed(house: House, name: str) -> Process:
    return house.start_observer("-c", OBSERVER.format(name=name))


def die(house: House, observer: Process) -> None:
    assert observer.child.wait(20) == -signal.SIGKILL, observer.said()[-2000:]
    house.observers.remove(observer)


def open_calls(house: House) -> list[str]:
    opened = [house.connect(OFFER) for _ in range(CALLS)]
    assert [answer.status_code for answer in opened] == [201] * CALLS, [answer.text for answer in opened]
    return [answer.headers["X-Call-Id"] for answer in opened]


def observed_calls(house: House) -> list[str]:
    calls = open_calls(house)
    for call_id in calls:
        await_life(house, call_id)
    return calls


def while_it_works(house: House, name: str) -> list[str]:
    dying = armed(house, name)
    house.ready()
    calls = open_calls(house)
    die(house, dying)
    house.start_observer()
    return calls


def in_an_outage(house: House, name: str) -> list[str]:
    dying = armed(house, name)
    house.ready()
    calls = observed_calls(house)
    with locked(house):
        die(house, dying)
    house.start_observer()
    return calls


def when_the_store_is_back(house: House, name: str) -> list[str]:
    dying = armed(house, name)
    house.ready()
    calls = observed_calls(house)
    with locked(house):
        until(lambda: journaled(house) > 50, "events in the journal")
    die(house, dying)
    house.start_observer()
    return calls


def at_a_burial(house: House, name: str) -> list[str]:
    first = house.start_observer()
    house.ready()
    calls = observed_calls(house)
    with locked(house):
        until(lambda: journaled(house) > 50, "events in the journal")
        first.stop(signal.SIGKILL)
        house.observers.remove(first)
    die(house, armed(house, name))
    house.start_observer()
    return calls


def while_it_leaves(house: House, name: str) -> list[str]:
    dying = armed(house, name)
    house.ready()
    calls = observed_calls(house)
    node_of(house.start_observer())
    dying.child.send_signal(signal.SIGTERM)
    die(house, dying)
    return calls


def while_it_inherits(house: House, name: str) -> list[str]:
    leaving = house.start_observer()
    house.ready()
    calls = observed_calls(house)
    dying = armed(house, name)
    node_of(dying)
    leaving.child.send_signal(signal.SIGTERM)
    die(house, dying)
    house.start_observer()
    assert leaving.child.wait(40) == 0
    house.observers.remove(leaving)
    return calls


def while_it_ends_a_call(house: House, name: str) -> list[str]:
    dying = armed(house, name)
    house.ready()
    calls = observed_calls(house)
    house.hang_up(calls[0])
    die(house, dying)
    house.start_observer()
    return calls


def journaled(house: House) -> int:
    left: list[Path] = list((house.folder / "calls.db-locks").glob("*.journal"))
    return sum(len(list(journal.read(path))) for path in left)


SCENES: dict[str, Any] = {
    "claim": while_it_works,
    "commit": while_it_works,
    "outage": in_an_outage,
    "return": when_the_store_is_back,
    "burial": at_a_burial,
    "hand_over": while_it_leaves,
    "heir": while_it_inherits,
    "end": while_it_ends_a_call,
}
