"""How rows get in: behind the fence, and what a lost holder heard goes to the next one."""

from dataclasses import replace
from typing import Any

import pytest

from call_log import calls, events, inbox, nodes
from call_log.calls import Call
from call_log.events import EventRow
from call_log.inheritance import LastWord
from call_log.journal import Kept
from call_log.recording import bury, handed_on, record, say_last_word
from call_log.store import Store

AT = 1_795_000_000_000


@pytest.fixture
def call(store: Store, join: Any, answered: Any) -> Call:
    """A call that n1 holds at epoch 1; n2 lives beside it."""
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")
        answered(db)
        (held,) = calls.claim(db, "n1", limit=1, at=AT)
    return held


def kept(
    call: Call, seq: int, *, epoch: int = 1, message_id: int | None = None, source: str = "upstream"
) -> Kept:
    body = b'{"n": %d}' % seq
    return Kept(
        EventRow(call.number, seq, AT + seq, source, "a.type", f"event_{seq}", body), epoch, message_id
    )


def stored(store: Store, call: Call) -> list[tuple[int, bytes]]:
    with store.reading() as db:
        return [(row.seq, row.body) for row in events.after(db, call.number, 0, limit=99)]


def test_a_holder_writes_and_its_messages_are_taken_with_the_rows(store: Store, call: Call) -> None:
    with store.writing() as db:
        message = inbox.put(db, call.number, kind="report", by="alice", at=AT, body="{}")
        assert record(db, "n1", [kept(call, 1), kept(call, 2, message_id=message)], at=AT) == set()
        assert inbox.waiting(db, "n1") == []
    assert [seq for seq, _ in stored(store, call)] == [1, 2]


def test_what_a_lost_holder_heard_is_left_to_the_new_one(store: Store, call: Call) -> None:
    with store.writing() as db:
        report = inbox.put(db, call.number, kind="report", by="alice", at=AT, body="{}")
        calls.claim(db, "n2", limit=1, at=AT, free_locks={"n1"})
        note = kept(call, 2, source="observer")
        rows = [kept(call, 1), note, kept(call, 3, message_id=report, source="browser"), kept(call, 4)]
        assert record(db, "n1", rows, at=AT) == {(call.number, 1)}
        waiting = inbox.waiting(db, "n2")
    assert stored(store, call) == []
    assert [message.kind for message in waiting] == ["report", "late"], "the report itself still waits"
    assert handed_on(waiting[1]).rows == [kept(call, 1), kept(call, 4)]
    assert waiting[1].by == "n1"


def test_of_two_holdings_in_one_batch_the_newer_writes_and_the_older_is_handed_on(
    store: Store, call: Call
) -> None:
    with store.writing() as db:
        calls.update_held(db, call.number, 1, "n1", holder=None)
        calls.claim(db, "n1", limit=1, at=AT)
        rows = [kept(call, 1, epoch=1), kept(call, 1, epoch=2)]
        assert record(db, "n1", rows, at=AT) == {(call.number, 1)}
        (late,) = inbox.waiting(db, "n1")
    assert handed_on(late).rows == rows[:1]
    assert [seq for seq, _ in stored(store, call)] == [1]


def test_an_ended_call_gets_nothing_any_more(store: Store, call: Call) -> None:
    with store.writing() as db:
        calls.update_held(
            db, call.number, 1, "n1", state="ended", ended_at=AT, end_reason="unknown", end_certainty="inferred",
            holder=None,
        )  # fmt: skip
        assert record(db, "n1", [kept(call, 1)], at=AT) == {(call.number, 1)}
        assert inbox.waiting(db, "n1") == []
    assert stored(store, call) == []


def test_a_dead_nodes_rows_are_written_as_if_it_had_lived_on(store: Store, call: Call) -> None:
    with store.writing() as db:
        report = inbox.put(db, call.number, kind="report", by="alice", at=AT, body="{}")
        record(db, "n1", [kept(call, 1)], at=AT)
        rows = [kept(call, 1), kept(call, 2), kept(call, 3, message_id=report, source="browser")]
        bury(db, "n1", rows, at=AT)
        bury(db, "n1", rows, at=AT)  # whoever began it may have died as well
        nodes.leave(db, "n1")
        (claimed,) = calls.claim(db, "n2", limit=1, at=AT)
        assert inbox.waiting(db, "n2") == []
    assert claimed.last_seq == 3
    assert [seq for seq, _ in stored(store, call)] == [1, 2, 3]


def test_a_dead_nodes_rows_of_a_call_that_moved_on_go_to_its_new_holder(store: Store, call: Call) -> None:
    with store.writing() as db:
        calls.claim(db, "n2", limit=1, at=AT, free_locks={"n1"})
        record(db, "n2", [kept(call, seq, epoch=2) for seq in range(1, 9)], at=AT)
        bury(db, "n1", [kept(call, 1), kept(call, 2)], at=AT)
        (late,) = inbox.waiting(db, "n2")
    assert handed_on(late).rows == [kept(call, 1), kept(call, 2)]


def test_a_last_word_reaches_whoever_holds_the_call_and_nobody_when_it_is_over(
    store: Store, call: Call
) -> None:
    said = LastWord(whole=True, until_at=AT - 5, code=1000, reason="gone", ours=False)
    with store.writing() as db:
        calls.claim(db, "n2", limit=1, at=AT, free_locks={"n1"})
        say_last_word(db, call.number, "n1", said, at=AT)
        (word,) = inbox.waiting(db, "n2")
        later = replace(word, body=str(word.body).replace('"whole"', '"of_a_later_version": 7, "whole"'))
        inbox.take(db, {word.id: 2}, at=AT)
        calls.update_held(
            db,
            call.number,
            2,
            "n2",
            state="ended",
            ended_at=AT,
            end_reason="unknown",
            end_certainty="inferred",
        )
        say_last_word(db, call.number, "n1", said, at=AT)
        assert inbox.waiting(db, "n2") == []
    assert (handed_on(word).rows, handed_on(word).word, word.by) == ([], said, "n1")
    assert handed_on(later).word == said
