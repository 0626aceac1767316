"""The watcher's question."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, update

from call_log import calls, inbox, nodes, schema
from call_log.store import Store, now
from call_log.work import INTENT_STALE_AFTER_MS, SESSION_LONGEST_MS
from tests.call_log.conftest import only

HELD = 100
Plan = Callable[[Callable[[Connection], object]], list[str]]


def test_it_counts_nothing_in_an_empty_call_log(store: Store) -> None:
    with store.reading() as db:
        assert calls.open_work(db) == calls.Work(0, 0, 0, 0, 0)


def test_it_counts_each_kind_of_work_and_no_call_that_is_well_held(
    store: Store, dial: Any, answered: Any, join: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
        answered(db)
        calls.claim(db, "n1", limit=1, at=1)
        dial(db, at=now(db))
        dial(db, at=now(db) - INTENT_STALE_AFTER_MS - 1)
        answered(db)
        lost = dial(db, at=now(db))
        calls.answer(db, lost.call_id, upstream_call_id=None, upstream_request_id=None, at=2)
        over = dial(db)
        calls.fail(db, over.call_id, code="upstream_busy", detail=None, at=4)
        assert calls.open_work(db) == calls.Work(
            dialling=2, stale_intents=1, claimable=1, unreachable=1, handed_over=0
        )


def test_a_call_whose_recording_is_off_is_nobodys_to_claim_and_ends_with_its_session(
    store: Store, answered: Any, join: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
        moment = now(db)
        off = answered(db, recording="off")
        assert calls.open_work(db).claimable == 0 and calls.claim(db, "n1", limit=9, at=moment) == []
        db.execute(update(schema.calls).values(answered_at=moment))
        assert calls.open_work(db).unreachable == 0
        assert calls.end_unreachable(db, older_than=moment - SESSION_LONGEST_MS, at=moment) == 0
        db.execute(update(schema.calls).values(answered_at=moment - SESSION_LONGEST_MS - 1))
        assert calls.open_work(db).unreachable == 1
        assert calls.end_unreachable(db, older_than=moment - SESSION_LONGEST_MS, at=moment) == 1
        assert calls.standing(db, off.call_id) == ("ended", False)


def test_it_counts_the_calls_of_the_dead_as_claimable(
    store: Store, answered: Any, join: Any, kill: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")
        answered(db)
        calls.claim(db, "n1", limit=1, at=1)
        assert calls.open_work(db).claimable == 0
        assert calls.open_work(db, free_locks={"n1"}).claimable == 1
        kill(db, "n1")
        assert calls.open_work(db).claimable == 1


def test_it_counts_the_calls_of_the_leaving_until_each_has_an_heir(
    store: Store, answered: Any, join: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")
        for _ in range(2):
            answered(db)
        calls.claim(db, "n1", limit=2, at=1)
        assert calls.open_work(db).handed_over == 0
        nodes.drain(db, "n1")
        assert (calls.open_work(db).handed_over, calls.open_work(db).claimable) == (2, 0)
        calls.reserve(db, "n2", limit=1)
        assert calls.open_work(db).handed_over == 1


@only("postgresql")
def test_a_server_that_knows_no_statistics_looks_at_no_call_that_is_well_held(
    store: Store, answered: Any, join: Any
) -> None:
    sent: list[Any] = []
    with store.writing() as db:
        join(db, "n1")
        for _ in range(HELD):
            answered(db)
        assert len(calls.claim(db, "n1", limit=HELD, at=1)) == HELD
        event.listen(db, "before_cursor_execute", lambda *a: sent.append((a[2], a[3])))
        calls.open_work(db, ("n2", "n3"))
        inbox.waiting(db, "n1")
        explained = [
            db.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
            for statement, parameters in tuple(sent)
        ]
    assert len(explained) == 2
    looked_at = [
        step["Actual Rows"] + step.get("Rows Removed by Filter", 0)
        for one in explained
        for step in _steps(one[0]["Plan"])
    ]
    assert max(looked_at) < HELD, explained


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for below in step.get("Plans", ()):
        yield from _steps(below)


@only("sqlite")
@pytest.mark.parametrize("free_locks", [(), ("n2", "n3")])
def test_it_seeks_and_never_walks_the_calls(plan: Plan, free_locks: tuple[str, ...]) -> None:
    steps = plan(lambda db: calls.open_work(db, free_locks))
    assert any("ix_calls_open" in step for step in steps)
    assert not [step for step in steps if step.startswith("SCAN") and "calls" in step]
    assert not any("ix_calls_state" in step for step in steps)


@only("sqlite")
def test_claiming_and_leaving_and_taking_walk_no_table_but_that_of_the_nodes(plan: Plan) -> None:
    steps = plan(lambda db: calls.claim(db, "n1", limit=9, at=1, free_locks=("n2",)))
    assert "SEARCH waiting USING INDEX ix_calls_open (holder=?)" in steps
    steps += plan(lambda db: nodes.leave(db, "n1"))
    steps += plan(lambda db: inbox.waiting(db, "n1"))
    assert {step for step in steps if step.startswith("SCAN")} <= {
        "SCAN candidates",
        "SCAN nodes",
        "SCAN inbox USING INDEX ix_inbox_untaken",
    }
