"""A whole Switchboard under load: an emulator without media, observers, a web, many calls, and a reader of the log.

Knows how it is put up, filled and taken down again. What is done to it meanwhile is each bench's own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests
from sqlalchemy import func, select

from bench import evidence
from bench.evidence import Truth
from bench.reader import Reader
from bench.verdict import OVER, Logged, Verdict
from call_log import nodes
from call_log.schema import calls, events
from call_log.store import Store
from tests.processes import UNWATCHED, Emulator, House, Process, until

OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
CALLERS = 16
PATIENCE_SECONDS = 120.0


@dataclass
class Field:
    """Everything that runs. `call_ids` are the calls that were opened, in order."""

    emulator: Emulator
    house: House
    store: Store
    reader: Reader
    call_ids: list[str] = field(default_factory=list)

    def open(self, calls: int, per_second: float, **query: str) -> None:
        """Open so many calls, so many each second; fails when one is refused. `query`: of each POST /connect."""
        began = time.monotonic()

        def open_one(place: int) -> str:
            time.sleep(max(0.0, began + place / per_second - time.monotonic()))
            answer = self.house.connect(OFFER, **query)
            assert answer.status_code == 201, answer.text
            return str(answer.headers["X-Call-Id"])

        with ThreadPoolExecutor(CALLERS) as callers:
            self.call_ids += callers.map(open_one, range(calls))

    def observed(self) -> int:
        """How many of the upstream's open calls have a sideband."""
        return sum(call["sidebands"] > 0 for call in self._upstream_calls())

    def all_observed(self, seconds: float = PATIENCE_SECONDS) -> None:
        until(lambda: all(call["sidebands"] for call in self._upstream_calls()), "sidebands", seconds)

    def nodes(self) -> int:
        """How many observers are there and have not said that they leave."""
        with self.store.reading() as db:
            return len(nodes.live(db))

    def speak(self, rate: float) -> None:
        """From now on each call says so many events per second."""
        self._direct(events_per_second=rate)

    def silence(self) -> None:
        """Nobody says anything more; returns when each call is attached and all that was said is in the log."""
        self.speak(0)
        self.all_observed()
        seen = -1
        while seen != len(self.reader.sightings):
            seen = len(self.reader.sightings)
            time.sleep(1.0)

    def end(self) -> None:
        """The upstream ends every call; returns when the log says so too."""
        self._direct(end=True)
        try:
            until(lambda: not self._not_over(), "the calls' ends", PATIENCE_SECONDS)
        except AssertionError:
            raise AssertionError(f"nobody ended {self._not_over()}") from None

    def _not_over(self) -> list[Logged]:
        return [row for row in evidence.logged(self.store) if row.state not in OVER]

    def judge(self) -> tuple[Verdict, list[Truth]]:
        """The verdict, and the truth that it was given on. The reader has stopped."""
        true = evidence.truth(self.emulator.url)
        return evidence.judge(true, self.store, self.reader.sightings.of_calls()), true

    def holders(self) -> dict[int, str | None]:
        """Which node holds each open call, by the call's number."""
        held = select(calls.c.number, calls.c.holder).where(calls.c.ended_at.is_(None))
        with self.store.reading() as db:
            return dict(db.execute(held).all())

    def newest_rows(self) -> dict[int, int]:
        """When the newest event of each open call was heard, by the call's number."""
        newest = select(events.c.number, func.max(events.c.at)).join(calls, calls.c.number == events.c.number)
        behind = newest.where(events.c.seq >= calls.c.last_seq, calls.c.ended_at.is_(None))
        with self.store.reading() as db:
            return dict(db.execute(behind.group_by(events.c.number)).all())

    def kill(self, observer: Process) -> None:
        """kill -9; it is nobody's to stop any more."""
        self.house.observers.remove(observer)
        observer.child.kill()
        observer.child.wait()

    def _upstream_calls(self) -> list[dict[str, int]]:
        return list(requests.get(f"{self.emulator.url}/emulator/calls", timeout=10).json()["calls"])

    def _direct(self, **wish: object) -> None:
        answer = requests.post(f"{self.emulator.url}/emulator/calls", json=wish, timeout=10)
        assert answer.ok, answer.text


@contextlib.contextmanager
def put_up(
    folder: Path, *, rate: float, observers: int = 1, database_url: str | None = None, **environ: str
) -> Iterator[Field]:
    """A field in a folder of its own, each of whose calls says `rate` events per second; somebody reads all that is
    written. Another `database_url` than the folder's own SQLite file must be empty. `environ`: more settings of
    the house."""
    field = put_up_unread(folder, rate=rate, observers=observers, database_url=database_url, **environ)
    with field as put, put.reader:
        yield put


@contextlib.contextmanager
def put_up_unread(
    folder: Path, *, rate: float, observers: int = 1, database_url: str | None = None, **environ: str
) -> Iterator[Field]:
    """The same without the reader, who takes his share of the machine; `judge` has nothing to go by then."""
    wishes = ["--events-only", "--events-per-second", str(rate), "--log-level", "warning"]
    emulator = Emulator.start(folder, *wishes, **UNWATCHED)
    more = {"LOG_LEVEL": "warning"} | UNWATCHED | ({"DATABASE_URL": database_url} if database_url else {})
    house = House.build(folder / "house", emulator.url, **(more | environ))
    for _ in range(observers):
        house.start_observer()
    house.start_web()
    if observers:
        house.ready()
    store = Store(house.environ["DATABASE_URL"])
    try:
        yield Field(emulator, house, store, Reader(store))
    finally:
        try:
            house.stop()  # fails where a process went wrong
        finally:
            store.close()
            emulator.process.stop()
