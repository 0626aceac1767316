"""Who takes over a call goes on from the numbers that an earlier holder packed, and reads only what came after."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

from call_log import call, events
from call_log.events import EventRow
from call_log.store import Connection, Store
from observer.recollection import CARRIED_LINES, NEAR, PACKING, Recollection
from realtime.prices import Prices
from tests.realtime.pen import Pen

ALL_COLUMNS = dict.fromkeys(call.Call.__dataclass_fields__)


class Log:
    """A store that holds the rows of one call, and counts those that are read."""

    def __init__(self, rows: list[EventRow], monkeypatch: pytest.MonkeyPatch) -> None:
        self._rows = rows
        self.read = 0
        monkeypatch.setattr(events, "after", self._after)

    def reading(self) -> Log:
        return self

    def __enter__(self) -> Connection:
        return cast(Connection, None)

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def _after(self, db: Connection, number: int, seq: int, *, limit: int) -> list[EventRow]:
        found = [row for row in self._rows if row.seq > seq][:limit]
        self.read += len(found)
        return found


def the_call(last_seq: int, carried: str | None = None) -> call.Call:
    facts = {"number": 1, "epoch": 1, "last_seq": last_seq, "spent": 0, "carried": carried}
    return call.Call(**(ALL_COLUMNS | facts))  # type: ignore[arg-type]


def made(call: call.Call) -> Recollection:
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


def caught_up(recollection: Recollection, log: Log) -> Recollection:
    asyncio.run(recollection.catch_up(cast(Store, log), asyncio.Semaphore(1)))
    return recollection


def test_the_next_holder_reads_only_what_came_after_and_knows_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = said(60)
    log, half = Log(rows, monkeypatch), len(rows) // 2
    first = made(the_call(0))
    carried = None
    for row in rows[:half]:
        first.committed([row])
        carried = first.columns().get("carried", carried)
    assert carried is not None
    second = caught_up(made(the_call(len(rows), carried)), log)
    assert len(rows) - half <= log.read <= len(rows) - half + 2 * CARRIED_LINES
    log.read = 0
    whole = caught_up(made(the_call(len(rows))), log)
    assert log.read == len(rows)
    assert second.columns()["summary"] == whole.columns()["summary"]
    assert second.marks == whole.marks == {f"{NEAR}:turns", "wrap_up_spend"}


def test_what_another_version_packed_otherwise_is_not_gone_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = said(12)
    log, first = Log(rows, monkeypatch), made(the_call(0))
    first.committed(rows)
    other = json.dumps(json.loads(first.columns()["carried"]) | {"packing": PACKING + 1})
    second = caught_up(made(the_call(len(rows), other)), log)
    assert log.read == len(rows)
    assert second.columns()["summary"] == first.columns()["summary"]


def test_the_numbers_are_packed_anew_only_after_so_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, recollection = said(60), made(the_call(0))
    packed = 0
    for row in rows:
        recollection.committed([row])
        packed += "carried" in recollection.columns()
    assert len(rows) // (2 * CARRIED_LINES) < packed <= len(rows) // CARRIED_LINES
