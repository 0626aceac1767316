"""Who takes over a call goes on from the numbers that an earlier holder packed, and reads only what came after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from call_log import calls, events
from call_log.calls import Call
from call_log.events import EventRow
from call_log.store import Connection, Store
from observer.recollection import CARRIED_LINES, NEAR, PACKING, Recollection
from realtime.prices import Prices
from tests.call_log.conftest import file_url
from tests.observer.test_writer_on_postgres import NODE, two_calls
from tests.realtime.pen import Pen


class Log:
    """The log of one call in a real store, and how many of its rows were read."""

    def __init__(self, store: Store, rows: list[EventRow], monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.read, self._after = store, 0, events.after
        monkeypatch.setattr(events, "after", self._counted)
        with store.writing() as db:
            events.append(db, NODE, {1: 1}, rows)

    def _counted(self, db: Connection, number: int, seq: int, *, limit: int) -> list[EventRow]:
        found = self._after(db, number, seq, limit=limit)
        self.read += len(found)
        return found

    def recalled(self, carried: str | None, end: Sequence[EventRow] = ()) -> Recollection:
        """As whoever takes the call over comes to it, from what was packed and from the end of its log, where it knows
        that; `read` is how much it read besides."""
        with self.store.writing() as db:
            if carried is not None:
                calls.update_held(db, 1, 1, NODE, carried=carried)
            call = calls.of_number(db, 1)
        self.read, recollection = 0, made(call)
        recollection.recall(end)
        asyncio.run(recollection.catch_up(self.store, asyncio.Semaphore(1)))
        return recollection


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """With a call, number 1, that the node holds."""
    store = Store(file_url(tmp_path))
    with store.writing() as db:
        two_calls(db, tmp_path)
    yield store
    store.close()


@pytest.fixture
def new(store: Store) -> Recollection:
    """Of the call while nothing is in its log."""
    with store.reading() as db:
        return made(calls.of_number(db, 1))


def made(call: Call) -> Recollection:
    return Recollection(call, Prices.load(None), lambda number: None)


def said(exchanges: int) -> list[EventRow]:
    pen = Pen()
    for number in range(exchanges):
        pen.ask(f"Question {number}")
        pen.answer("Hi, how are you?")
    pen.pay()
    lines: list[tuple[str, int, bytes, str | None]] = [
        ("upstream", line.at, line.raw, None) for line in pen.sent
    ]
    lines[3:3] = [
        ("observer", lines[2][1], json.dumps({"type": NEAR, "limit": "turns"}).encode(), None),
        ("observer", lines[2][1], b'{"type": "response.create"}', "wrap_up_spend"),
    ]
    return [
        EventRow(1, seq, at, source, json.loads(raw)["type"], event_id, raw, False)
        for seq, (source, at, raw, event_id) in enumerate(lines, start=1)
    ]


def test_the_next_holder_reads_only_what_came_after_and_knows_the_same(
    store: Store, new: Recollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = said(60)
    log, half = Log(store, rows, monkeypatch), len(rows) // 2
    carried = None
    for row in rows[:half]:
        new.committed([row])
        carried = new.columns().get("carried", carried)
    assert carried is not None
    whole = log.recalled(None)
    assert log.read == len(rows)
    second = log.recalled(carried)
    assert len(rows) - half <= log.read <= len(rows) - half + 2 * CARRIED_LINES
    assert second.columns()["summary"] == whole.columns()["summary"]
    assert second.marks == whole.marks == {f"{NEAR}:turns", "wrap_up_spend"}


def test_what_was_read_for_another_purpose_is_not_read_again_where_nothing_is_missing_before_it(
    store: Store, new: Recollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = said(12)
    log = Log(store, rows, monkeypatch)
    new.committed(rows)
    for end, read in ((rows, 0), (rows[1:], len(rows))):
        second = log.recalled(None, end)
        assert log.read == read
        assert second.is_whole
        assert second.columns()["summary"] == new.columns()["summary"]


def test_what_another_version_packed_otherwise_is_not_gone_on_from(
    store: Store, new: Recollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = said(12)
    log = Log(store, rows, monkeypatch)
    new.committed(rows)
    other = json.dumps(json.loads(new.columns()["carried"]) | {"packing": PACKING + 1})
    second = log.recalled(other)
    assert log.read == len(rows)
    assert second.columns()["summary"] == new.columns()["summary"]


def test_the_numbers_are_packed_anew_only_after_so_many_lines(new: Recollection) -> None:
    rows = said(60)
    packed = 0
    for row in rows:
        new.committed([row])
        packed += "carried" in new.columns()
    assert len(rows) // (2 * CARRIED_LINES) < packed <= len(rows) // CARRIED_LINES
