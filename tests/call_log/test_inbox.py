"""The inbox."""

from typing import Any

from call_log import calls, inbox
from call_log.store import Store

AT = 1_795_000_000_000


def test_the_holder_takes_its_messages_once_and_in_order(store: Store, answered: Any, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")
        mine, other = answered(db), answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        calls.claim(db, "n2", limit=1, at=AT)
        first = inbox.put(db, mine.number, kind="command", by="olga", at=AT, body='{"type":"x"}')
        inbox.put(db, other.number, kind="report", by="bob", at=AT)
        second = inbox.put(db, mine.number, kind="hang_up", by="alice", at=AT + 1)
        taken = inbox.take(db, "n1", {mine.number: 1}, at=AT + 9)
        assert [message.id for message in taken] == [first, second]
        assert taken[0] == inbox.Message(
            first, mine.number, "command", "olga", AT, '{"type":"x"}', taken_at=AT + 9, taken_epoch=1
        )
        assert inbox.take(db, "n1", {mine.number: 1}, at=AT + 10) == []
        assert [message.kind for message in inbox.take(db, "n2", {other.number: 1}, at=AT)] == ["report"]


def test_a_message_waits_for_a_holder(store: Store, dial: Any, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        call = dial(db)
        calls.wish_hang_up(db, call.call_id, reason="caller_hung_up", by="alice", at=AT)
        assert inbox.take(db, "n1", {call.number: 1}, at=AT) == []
        calls.answer(db, call.call_id, upstream_call_id="rtc_1", upstream_request_id=None, at=AT)
        calls.claim(db, "n1", limit=1, at=AT)
        assert [message.kind for message in inbox.take(db, "n1", {call.number: 1}, at=AT)] == ["hang_up"]
