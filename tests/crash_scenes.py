"""How a process comes to each of the named points (crash_points.py), dies there, and what must hold afterwards: what
was seen is still there, what may be missing is marked, and no call runs on unseen.

Works on a field (bench/field.py) without observers over either store; one process dies, and the field is as before.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest
import requests

from bench.field import OFFER, Field
from bench.outage import Lock, Outage, StoppedServer
from call_log import journal
from tests.crash_points import OBSERVER, POINTS, WEB
from tests.observer.scenes import node_of
from tests.postgres import Cluster
from tests.processes import House, Process, until

CALLS = 2
SPOKEN = 9
"""Events that somebody who records a call has surely heard of it."""
SPILLED = 50
RATE = 50.0
SETTINGS = {"SWITCHBOARD_SEAL_KEY": "5e" * 32, "LOG_LEVEL": "info"}
"""Of the field's house; that an observer has joined is known from its log."""


class Crash:
    """One process that dies at one point. Every `kill` leaves the field as it was, ready for the next."""

    def __init__(self, field: Field, cluster: Cluster | None = None) -> None:
        """`cluster`: the PostgreSQL that keeps the calls; else it is the field's own SQLite file."""
        self._field, self._house = field, field.house
        self._outage: Outage = StoppedServer(cluster) if cluster else Lock(field.house.folder / "calls.db")

    def at(self, name: str) -> dict[str, list[str]]:
        """Let a process die at the point of this name; the promises that were broken, by name. Fails when the point is
        not reached, or nobody goes on."""
        self._field.emulator.begin_ledger_anew()
        try:
            if POINTS[name].process == "web":
                self._kill_web(name)
            else:
                self._kill_observer(name)
            verdict, _ = self._field.judge()
            self._stop_observers()
            return verdict.faults
        finally:  # one that failed must not reach the next point instead of that one's process
            for observer in self._house.observers:
                observer.stop(signal.SIGKILL)
            self._house.observers.clear()

    def _stop_observers(self) -> None:
        for observer in self._house.observers:
            status = observer.stop()
            assert status == 0, (
                f"an observer that was told to stop ended with {status}:\n{observer.said()[-4000:]}"
            )
        self._house.observers.clear()

    def verify(self) -> None:
        """Every seal must fit."""
        self._house.verify()

    def _kill_observer(self, name: str) -> None:
        calls = SCENES[POINTS[name].scene](self, name)
        for call_id in calls:
            await_life(self._house, call_id)
            self._house.hang_up(call_id)
            self._house.ended(call_id)

    def _kill_web(self, name: str) -> None:
        house = self._house
        assert house.web is not None
        house.web.stop()
        house.start_observer()
        dying = house.start_web("-c", WEB.format(name=name))
        house.ready()
        with pytest.raises(requests.ConnectionError):
            house.connect(OFFER)
        dying.stop()
        house.start_web()
        self._settle(name)
        self._field.emulator.talk(end=True)

    def _settle(self, name: str) -> None:
        """What the killed worker had begun is observed, or can be counted."""
        if name == "nothing is written yet":
            return
        (row,) = self._house.get("/calls?limit=1").json()["calls"]
        if POINTS[name].place.endswith(("_write_outcome", ".open")):
            call = self._house.observed(row["id"])
            upstream = [one["id"] for one in self._field.emulator.ledger()["calls"] if not one["ended_at"]]
            assert upstream == [call["upstream_call_id"]], "an observer attached to it all the same"
            self._house.hang_up(row["id"])
            self._house.ended(row["id"])
        else:
            assert row["state"] == "dialling", "the intent can be counted"
            self._house.hang_up(row["id"])

    # -- how an observer comes to its point ------------------------------------------------------------------------

    def while_it_works(self, name: str) -> list[str]:
        dying = self._armed(name)
        self._house.ready()
        calls = self._open_calls()
        self._await_death(dying)
        self._house.start_observer()
        return calls

    def in_an_outage(self, name: str) -> list[str]:
        dying = self._armed(name)
        self._house.ready()
        calls = self._observed_calls()
        with self._away():
            self._await_death(dying)
        self._house.start_observer()
        return calls

    def when_the_store_is_back(self, name: str) -> list[str]:
        dying = self._armed(name)
        self._house.ready()
        calls = self._observed_calls()
        with self._away():
            self._await_spilled()
        self._await_death(dying)
        self._house.start_observer()
        return calls

    def at_a_burial(self, name: str) -> list[str]:
        first = self._house.start_observer()
        self._house.ready()
        calls = self._observed_calls()
        with self._away():
            self._await_spilled()
            first.stop(signal.SIGKILL)
            self._house.observers.remove(first)
        self._await_death(self._armed(name))
        self._house.start_observer()
        return calls

    def while_it_leaves(self, name: str) -> list[str]:
        dying = self._armed(name)
        self._house.ready()
        calls = self._observed_calls()
        node_of(self._house.start_observer())
        dying.child.send_signal(signal.SIGTERM)
        self._await_death(dying)
        return calls

    def while_it_inherits(self, name: str) -> list[str]:
        leaving = self._house.start_observer()
        self._house.ready()
        calls = self._observed_calls()
        dying = self._armed(name)
        node_of(dying)
        leaving.child.send_signal(signal.SIGTERM)
        self._await_death(dying)
        self._house.start_observer()
        assert leaving.child.wait(40) == 0
        self._house.observers.remove(leaving)
        return calls

    def while_it_ends_a_call(self, name: str) -> list[str]:
        dying = self._armed(name)
        self._house.ready()
        calls = self._observed_calls()
        self._house.hang_up(calls[0])
        self._await_death(dying)
        self._house.start_observer()
        return calls

    def _armed(self, name: str) -> Process:
        return self._house.start_observer("-c", OBSERVER.format(name=name))

    def _await_death(self, observer: Process) -> None:
        assert observer.child.wait(20) == -signal.SIGKILL, observer.said()[-2000:]
        self._house.observers.remove(observer)

    def _open_calls(self) -> list[str]:
        opened = [self._house.connect(OFFER) for _ in range(CALLS)]
        assert [answer.status_code for answer in opened] == [201] * CALLS, [one.text for one in opened]
        return [answer.headers["X-Call-Id"] for answer in opened]

    def _observed_calls(self) -> list[str]:
        calls = self._open_calls()
        for call_id in calls:
            await_life(self._house, call_id)
        return calls

    @contextlib.contextmanager
    def _away(self) -> Iterator[None]:
        self._outage.begin()
        try:
            yield
        finally:
            self._outage.end()

    def _await_spilled(self) -> None:
        def journaled() -> int:
            return sum(len(list(journal.read(path))) for path in self._house.locks.glob("*.journal"))

        until(lambda: journaled() > SPILLED, "events in the journal")


SCENES: dict[str, Callable[[Crash, str], list[str]]] = {
    "claim": Crash.while_it_works,
    "commit": Crash.while_it_works,
    "outage": Crash.in_an_outage,
    "return": Crash.when_the_store_is_back,
    "burial": Crash.at_a_burial,
    "hand_over": Crash.while_it_leaves,
    "heir": Crash.while_it_inherits,
    "end": Crash.while_it_ends_a_call,
}


def await_life(house: House, call_id: str) -> None:
    """Wait until somebody records the call again; one that is over needs nobody."""
    already = len(house.events(call_id))
    until(
        lambda: house.call(call_id)["state"] == "ended" or len(house.events(call_id, after=already)) > SPOKEN,
        "the next observer",
    )
