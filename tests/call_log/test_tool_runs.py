"""Runs of tools in the call log: each function call is taken up once, by whoever holds the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, update

from call_log import calls, deliveries, schema, tool_runs
from call_log.calls import Call
from call_log.store import Store
from call_log.tool_runs import Outcome, Run, State
from tests.call_log.conftest import AT

NODE = "node_of_otto"


@pytest.fixture
def held(store: Store, answered: Callable[..., Call], join: Callable[[Connection, str], None]) -> Call:
    """A call that NODE holds at epoch 1."""
    with store.writing() as db:
        join(db, NODE)
        answered(db)
        (call,) = calls.claim(db, NODE, limit=1, at=AT)
    return call


def run(call: Call, id: str, state: State = "started") -> Run:
    return Run(call.number, id, "resp_1", "weather", state, None, None, AT, AT, None, call.epoch)


def take_up(store: Store, call: Call, *runs: Run, epoch: int | None = None) -> set[str] | None:
    with store.writing() as db:
        return tool_runs.take_up(db, NODE, call.epoch if epoch is None else epoch, call.number, runs)


def state(store: Store, call: Call) -> list[tuple[str, str, str | None, str | None]]:
    with store.reading() as db:
        found = tool_runs.of_call(db, call.number)
    return [(one.function_call_id, one.state, one.code, one.by) for one in found]


def test_a_function_call_is_taken_up_once(store: Store, held: Call) -> None:
    assert take_up(store, held, run(held, "a"), run(held, "b")) == {"a", "b"}
    assert take_up(store, held, run(held, "b", "refused"), run(held, "c")) == {"c"}
    assert take_up(store, held, run(held, "a")) == set()
    assert [one[:2] for one in state(store, held)] == [("a", "started"), ("b", "started"), ("c", "started")]


def test_the_webhook_is_told_once_of_each_run_that_waits_for_an_operator(store: Store, held: Call) -> None:
    with store.writing() as db:
        db.execute(update(schema.calls).values(webhook=True))
    for _ in range(2):
        take_up(store, held, run(held, "a"), run(held, "b", "waiting"))
    with store.writing() as db:
        told = deliveries.take(db, at=AT, limit=9)
    assert [(one.event, one.subject) for one in told] == [("tool.approval_wanted", "b")]


def test_a_stale_holder_takes_nothing_up_and_changes_nothing(store: Store, held: Call) -> None:
    assert take_up(store, held, run(held, "a"), epoch=0) is None
    take_up(store, held, run(held, "b", "waiting"))
    with store.writing() as db:
        assert not tool_runs.start(db, NODE, 0, held.number, "b", by="otto", at=AT)
        assert not tool_runs.settle(
            db, "node_of_vera", held.epoch, held.number, [Outcome("b", "refused")], at=AT
        )
    assert state(store, held) == [("b", "waiting", None, None)]


def test_an_approved_run_begins_once(store: Store, held: Call) -> None:
    take_up(store, held, run(held, "a", "waiting"))
    with store.writing() as db:
        assert tool_runs.start(db, NODE, held.epoch, held.number, "a", by="otto", at=AT)
        assert not tool_runs.start(db, NODE, held.epoch, held.number, "a", by="vera", at=AT)
    assert state(store, held) == [("a", "started", None, "otto")]


def test_the_first_outcome_counts(store: Store, held: Call) -> None:
    take_up(store, held, run(held, "a"))
    with store.writing() as db:
        for outcome in (Outcome("a", "answered"), Outcome("a", "unknown", "holder_changed")):
            assert tool_runs.settle(db, NODE, held.epoch, held.number, [outcome], at=AT)
    assert state(store, held) == [("a", "answered", None, None)]


def test_nothing_stays_open_when_the_call_ends(store: Store, held: Call) -> None:
    take_up(store, held, run(held, "a"), run(held, "b", "waiting"), replace(run(held, "c"), state="answered"))
    with store.writing() as db:
        over = {"state": "ended", "ended_at": AT, "end_reason": "unknown", "end_certainty": "inferred"}
        assert calls.update_held(db, held.number, held.epoch, NODE, **over)  # type: ignore[arg-type]
    assert state(store, held) == [
        ("a", "unknown", "call_ended", None),
        ("b", "refused", "call_ended", None),
        ("c", "answered", None, None),
    ]
