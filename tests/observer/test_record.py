"""One call's record between its socket and the writer: when the socket may be read on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from call_log.call import Call
from call_log.events import EventRow
from observer.limits import Limits
from observer.line import Line
from observer.record import Record
from observer.redaction import Rule
from realtime.prices import Prices

EVENT = b'{"type": "x", "x": "' + b"x" * 1000 + b'"}'


class Store:
    """A writer that keeps everything waiting."""

    def __init__(self) -> None:
        self.rows: list[EventRow] = []

    def append(
        self, record: Record, row: EventRow, message_id: int | None = None, urgent: bool = False
    ) -> None:
        self.rows.append(row)

    async def room(self) -> None:
        """The node has room; it is the call that has none."""


def the_call() -> Call:
    facts = {
        "number": 1,
        "epoch": 1,
        "last_seq": 0,
        "underlying": None,
        "transcription": None,
        "peer_seen_at": None,
        "salt": None,
        "summary": None,
        "carried": None,
        "spent": 0,
    }
    return cast(Call, SimpleNamespace(**facts))


def the_line(store: Store) -> Line:
    facts = {
        "writer": store,
        "prices": Prices.load(None),
        "limits": Limits(call_waiting_max_bytes=2000),
        "lock": SimpleNamespace(accuse=lambda number: None),
        "seal": None,
        "redactions": SimpleNamespace(rule=lambda call: Rule(keeps_everything=True)),
    }
    return cast(Line, SimpleNamespace(**facts))


@pytest.mark.parametrize(
    "then",
    [lambda record, rows: record.committed(rows), lambda record, rows: record.refused()],
    ids=["on disk", "lost to another node"],
)
def test_a_call_whose_rows_wait_is_not_read_until_they_are_on_disk_or_lost(
    then: Callable[[Record, list[EventRow]], None],
) -> None:
    async def scene() -> None:
        store = Store()
        record = Record(the_call(), the_line(store))
        record.hear(EVENT)
        await record.room(len(EVENT))
        record.hear(EVENT)
        reading = asyncio.ensure_future(record.room(len(EVENT)))
        await asyncio.sleep(0)
        assert not reading.done()
        then(record, store.rows)
        await asyncio.wait_for(reading, 10)

    asyncio.run(scene())
