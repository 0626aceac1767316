"""The outbox: in the transaction that makes it true, one observer at a time, tried until it is taken or too late."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection

from call_log import calls, deliveries
from call_log.calls import Call
from call_log.deliveries import LEASE_MS, RETRIES_MS
from call_log.store import Store
from tests.call_log.conftest import AT, only


@pytest.fixture
def told(store: Store, answered: Callable[..., Call]) -> Call:
    """A call that was answered, and whose operator has a webhook."""
    with store.writing() as db:
        return answered(db, webhook=True)


def take(store: Store, at: int = AT + 2, limit: int = 9) -> list[deliveries.Delivery]:
    with store.writing() as db:
        return deliveries.take(db, at=at, limit=limit)


def test_a_call_is_told_of_when_it_is_answered_and_when_it_is_over(store: Store, told: Call) -> None:
    with store.writing() as db:
        assert calls.end_unheld(db, told.call_id, reason="abandoned", certainty="stated", at=AT + 9)
    both = take(store, AT + 9)
    assert [(one.event, one.number, one.subject, one.tries) for one in both] == [
        ("call.answered", told.number, "", 1),
        ("call.ended", told.number, "", 1),
    ]
    assert [one.at for one in both] == [AT + 1, AT + 9]


def test_nothing_is_told_where_nobody_wants_to_know_or_nothing_came_about(
    store: Store, answered: Callable[..., Call]
) -> None:
    with store.writing() as db:
        answered(db)
    with pytest.raises(RuntimeError), store.writing() as db:
        answered(db, webhook=True)
        raise RuntimeError
    assert take(store) == []


def test_the_same_is_told_once(store: Store, told: Call) -> None:
    for _ in range(2):
        with store.writing() as db:
            deliveries.put(db, [told.number], "call.limit_reached", subject="duration", at=AT)
    with store.writing() as db:
        deliveries.put(db, [told.number], "call.limit_reached", subject="spend", at=AT)
    assert [one.subject for one in take(store)] == ["", "duration", "spend"]


def test_a_delivery_is_one_observers_until_its_minute_is_over(store: Store, told: Call) -> None:
    (first,) = take(store)
    assert take(store) == []
    (again,) = take(store, AT + 2 + LEASE_MS)
    assert (again.id, again.tries) == (first.id, 2)


def test_many_who_take_at_once_get_each_delivery_once(store: Store, answered: Callable[..., Call]) -> None:
    with store.writing() as db:
        for _ in range(30):
            answered(db, webhook=True)
    with ThreadPoolExecutor(4) as pool:
        taken = [one.id for some in pool.map(lambda _: take(store, limit=5), range(12)) for one in some]
    assert len(taken) == len(set(taken)) == 30


def test_it_is_tried_more_and_more_slowly_and_at_last_given_up(store: Store, told: Call) -> None:
    at = AT + 2
    for pause in RETRIES_MS:
        (one,) = take(store, at)
        with store.writing() as db:
            assert deliveries.failed(db, one, status=500, at=at)
            assert not deliveries.wait(db, at=at + pause - 1)
            assert deliveries.undelivered(db) == 1
        at += pause
    (last,) = take(store, at)
    with store.writing() as db:
        assert not deliveries.failed(db, last, status=None, at=at)
        assert deliveries.undelivered(db) == 0


def test_what_was_taken_is_not_tried_again(store: Store, told: Call) -> None:
    (one,) = take(store)
    with store.writing() as db:
        deliveries.done(db, one, status=204, at=AT + 3)
        assert not deliveries.wait(db, at=AT + LEASE_MS * 9)
    assert take(store, AT + LEASE_MS * 9) == []


@only("sqlite")
def test_whether_any_is_due_is_asked_of_an_index(
    store: Store, told: Call, plan: Callable[[Callable[[Connection], Any]], list[str]]
) -> None:
    assert any("ix_deliveries_next_at" in step for step in plan(lambda db: deliveries.wait(db, at=AT)))


def test_a_limit_that_ended_a_call_is_told_by_its_name(
    store: Store, told: Call, join: Callable[..., None]
) -> None:
    with store.writing() as db:
        join(db, "n1")
        (call,) = calls.claim(db, "n1", limit=1, at=AT)
        over = {"ended_at": AT + 9, "end_reason": "policy_spend", "end_certainty": "stated", "holder": None}
        assert calls.update_held(db, call.number, call.epoch, "n1", state="ended", **over)  # type: ignore[arg-type]
    assert [(one.event, one.subject) for one in take(store, AT + 9)][1:] == [
        ("call.ended", ""),
        ("call.limit_reached", "spend"),
    ]
