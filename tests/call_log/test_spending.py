"""What a caller's calls of one day have cost: each counted once, whoever held it and however often."""

from __future__ import annotations

from typing import Any

import pytest

from call_log import calls, nodes, spending
from call_log.store import Store
from tests.call_log.conftest import AT

TODAY = spending.day_of(AT)
MIDNIGHT = TODAY * spending.DAY_MS


@pytest.fixture(autouse=True)
def a_node(store: Store, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")


def spent(store: Store, caller: str, at: int, amount: int, dial: Any) -> calls.Call:
    with store.writing() as db:
        call = dial(db, caller=caller, at=at)
        calls.answer(db, call.call_id, upstream_call_id=f"rtc_{call.number}", upstream_request_id=None, at=at)
        (held,) = calls.claim(db, "n1", limit=9, at=at)
        assert calls.update_held(db, held.number, held.epoch, "n1", spent=amount)
    return held


def test_a_sum_is_of_one_caller_and_one_day(store: Store, dial: Any) -> None:
    for caller, at, amount in (
        ("ada", MIDNIGHT - 1, 1),
        ("ada", MIDNIGHT, 20),
        ("ada", MIDNIGHT + spending.DAY_MS - 1, 300),
        ("ada", MIDNIGHT + spending.DAY_MS, 4_000),
        ("bob", MIDNIGHT, 50_000),
    ):
        spent(store, caller, at, amount, dial)
    with store.reading() as db:
        assert spending.of_caller(db, "ada", TODAY) == 320
        assert spending.of_caller(db, "bob", TODAY) == 50_000
        assert spending.of_caller(db, "eve", TODAY) == 0
        assert spending.of_callers(db, ["ada", "bob", "eve"], TODAY) == {
            ("ada", TODAY): 320,
            ("ada", TODAY + 1): 4_000,
            ("bob", TODAY): 50_000,
        }


def test_the_next_holder_writes_the_same_amount_and_the_last_one_nothing_more(
    store: Store, dial: Any
) -> None:
    held = spent(store, "ada", MIDNIGHT, 70, dial)
    with store.writing() as db:
        nodes.leave(db, "n1")
        (taken,) = calls.claim(db, "n2", limit=9, at=AT)
        assert taken.spent == 70
        assert calls.update_held(db, taken.number, taken.epoch, "n2", spent=75)
        assert not calls.update_held(db, held.number, held.epoch, "n1", spent=999)
        assert spending.of_caller(db, "ada", TODAY) == 75
