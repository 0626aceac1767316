"""The inbox."""

from typing import Any

from call_log import calls, inbox
from call_log.store import Store

AT = 1_795_000_000_000


def test_the_holder_sees_its_messages_in_order_until_it_has_taken_them(
    store: Store, answered: Any, join: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")
        mine, other = answered(db), answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        calls.claim(db, "n2", limit=1, at=AT)
        first = inbox.put(db, mine.number, kind="command", by="olga", at=AT, body='{"type":"x"}')
        inbox.put(db, other.number, kind="report", by="bob", at=AT)
        second = inbox.put(db, mine.number, kind="hang_up", by="alice", at=AT + 1)

        assert inbox.waiting(db, "n1") == [
            inbox.Message(first, mine.number, "command", "olga", AT, '{"type":"x"}', None, None),
            inbox.Message(second, mine.number, "hang_up", "alice", AT + 1, None, None, None),
        ]
        inbox.take(db, {first: 1}, at=AT + 9)
        assert [message.id for message in inbox.waiting(db, "n1")] == [second]
        inbox.take(db, {first: 2, second: 1}, at=AT + 10)
        assert inbox.waiting(db, "n1") == []
        assert [message.kind for message in inbox.waiting(db, "n2")] == ["report"]


def test_a_message_waits_for_a_holder(store: Store, dial: Any, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        call = dial(db)
        calls.wish_hang_up(db, call.call_id, reason="caller_hung_up", by="alice", at=AT)
        assert inbox.waiting(db, "n1") == []
        calls.answer(db, call.call_id, upstream_call_id="rtc_1", upstream_request_id=None, at=AT)
        calls.claim(db, "n1", limit=1, at=AT)
        assert [message.kind for message in inbox.waiting(db, "n1")] == ["hang_up"]


def test_what_comes_after_a_calls_end_waits_for_nobody(store: Store, answered: Any, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        number = answered(db).number
        calls.claim(db, "n1", limit=1, at=AT)
        over: calls.Changes = {
            "state": "ended",
            "ended_at": AT,
            "end_reason": "caller_hung_up",
            "end_certainty": "stated",
        }
        assert calls.update_held(db, number, 1, "n1", **over)
        inbox.put(db, number, kind="report", by="alice", at=AT)
        assert inbox.waiting(db, "n1") == []


def test_it_counts_what_came_lately_taken_or_not(store: Store, answered: Any, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        call = answered(db)
        old = inbox.put(db, call.number, kind="report", by="ada", at=AT)
        inbox.put(db, call.number, kind="report", by="ada", at=AT + 500)
        inbox.put(db, call.number, kind="hang_up", by="ada", at=AT + 500)
        inbox.take(db, {old: 1}, at=AT + 600)

        assert inbox.count_since(db, call.number, kind="report", since=AT) == 2
        assert inbox.count_since(db, call.number, kind="report", since=AT + 1) == 1
        assert inbox.count_since(db, call.number, kind="report", since=AT + 501) == 0
