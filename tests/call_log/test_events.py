"""The events of calls."""

import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from call_log import calls, events
from call_log.events import EventRow
from call_log.store import Store

AT = 1_795_000_000_000
ROOT = Path(__file__).parents[2]


@pytest.fixture
def held(store: Store, answered: Any, join: Any) -> int:
    """The number of a call that n1 holds at epoch 1."""
    with store.writing() as db:
        join(db, "n1")
        number: int = answered(db).number
        calls.claim(db, "n1", limit=1, at=AT)
    return number


def _row(number: int, seq: int, **fields: Any) -> EventRow:
    return EventRow(number, seq, AT, "upstream", "response.done", "event_1", b"{}")._replace(**fields)


def test_bytes_come_back_exactly_as_they_were_given(store: Store, held: int) -> None:
    bodies = [b"", b"\x00\xff\xfe not text", '{"snow":"\u2603"}'.encode(), b'"\\ud800"', bytes(2**20)]
    rows = [_row(held, seq, body=body, event_id=None) for seq, body in enumerate(bodies, 1)]
    with store.writing() as db:
        assert events.append(db, "n1", {held: 1}, rows) == set()
    with store.reading() as db:
        assert events.after(db, held, 0, limit=99) == rows


def test_the_last_seq_of_the_call_follows(store: Store, held: int) -> None:
    with store.writing() as db:
        events.append(db, "n1", {held: 1}, [_row(held, seq) for seq in (2, 3, 1)])
        assert calls.list_page(db, limit=1)[0].last_seq == 3


def test_a_reader_goes_on_where_it_was_and_may_choose(store: Store, held: int) -> None:
    rows = [
        _row(held, seq, source=source, type=type)
        for seq, (source, type) in enumerate([("upstream", "a"), ("observer", "b"), ("upstream", "b")] * 2, 1)
    ]
    with store.writing() as db:
        events.append(db, "n1", {held: 1}, rows)
        assert [row.seq for row in events.after(db, held, 2, limit=3)] == [3, 4, 5]
        assert [row.seq for row in events.after(db, held, 0, limit=9, source="observer")] == [2, 5]
        assert [row.seq for row in events.after(db, held, 2, limit=9, type="b", source="upstream")] == [3, 6]
        assert events.after(db, held, 6, limit=9) == []


def test_a_call_that_is_not_among_the_holdings_is_refused(store: Store, held: int, answered: Any) -> None:
    with store.writing() as db:
        other = answered(db).number
        assert events.append(db, "n1", {held: 1}, [_row(held, 1), _row(other, 1)]) == {other}
        assert events.append(db, "n1", {}, [_row(held, 2)]) == {held}
        assert events.append(db, "n1", {held: 1}, []) == set()
        assert db.exec_driver_sql("SELECT number, seq FROM events").all() == [(held, 1)]


def test_an_event_with_an_impossible_name_takes_nobody_with_it(store: Store, held: int) -> None:
    rows = [_row(held, 1, type="a\ud800b"), _row(held, 2, type="c\0d", event_id="\udfff"), _row(held, 3)]
    with store.writing() as db:
        assert events.append(db, "n1", {held: 1}, rows) == set()
        names = [(row.type, row.event_id) for row in events.after(db, held, 0, limit=9)]
    assert names == [("a?b", "event_1"), ("c\N{REPLACEMENT CHARACTER}d", "?"), ("response.done", "event_1")]


def test_a_number_and_seq_exist_once_and_a_refused_batch_leaves_nothing(store: Store, held: int) -> None:
    with store.writing() as db:
        events.append(db, "n1", {held: 1}, [_row(held, 1)])
    with pytest.raises(IntegrityError), store.writing() as db:
        events.append(db, "n1", {held: 1}, [_row(held, 2), _row(held, 1, at=2)])
    with store.reading() as db:
        assert [row.seq for row in events.after(db, held, 0, limit=9)] == [1]


_WRITER = """
    import sys
    from call_log import events
    from call_log.events import EventRow
    from call_log.store import Store

    store, number, seq = Store(sys.argv[1]), int(sys.argv[2]), 0
    while True:
        batch = [EventRow(number, seq + n, 1, "upstream", "t", None, b"x" * 300) for n in range(1, 21)]
        with store.writing() as db:
            events.append(db, "n1", {number: 1}, batch)
        seq += 20
        print(seq, flush=True)
        if seq % 200 == 0:
            store.checkpoint()
"""


@pytest.mark.parametrize("go", range(3))
def test_what_was_acknowledged_survives_a_kill(store: Store, url: str, held: int, seed: int, go: int) -> None:
    batches = random.Random(seed).randint(1, 150)
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), url, str(held)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    heard = [writer.stdout.readline() for _ in range(batches)]
    writer.send_signal(signal.SIGKILL)
    heard += writer.stdout.readlines()
    writer.wait(30)
    writer.stdout.close()
    acknowledged = max(int(line) for line in heard if line.endswith("\n"))
    with store.reading() as db:
        seqs = [row.seq for row in events.after(db, held, 0, limit=10**6)]
        if url.startswith("sqlite"):
            assert db.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        last_seq = calls.list_page(db, limit=1)[0].last_seq
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) >= acknowledged
    assert len(seqs) - acknowledged in (0, 20), "at most the batch that was committed but not yet told"
    assert last_seq == len(seqs)
