"""The life of a call, statement by statement."""

import dataclasses
import re
from typing import Any

import pytest
from sqlalchemy import select

from call_log import calls, inbox, schema
from call_log.states import STATES, TRANSITIONS, before, before_or_same
from call_log.store import Store

AT = 1_795_000_000_000


def test_an_id_has_128_random_bits() -> None:
    ids = {calls.new_call_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch("call_[0-9a-f]{32}", call_id) for call_id in ids)


def test_it_keeps_the_intent_as_it_was_dialled(store: Store, dial: Any) -> None:
    with store.writing() as db:
        dialled = dial(db, metadata='{"a":1}', consent="yes", at=AT)
        call = calls.find(db, dialled.call_id)
    assert call is not None
    assert dataclasses.replace(call, metadata=None) == dialled
    assert (call.state, call.metadata, call.consent, call.created_at) == ("dialling", '{"a":1}', "yes", AT)
    assert (call.holder, call.epoch, call.last_seq, call.ended_at) == (None, 0, 0, None)


def test_it_finds_no_unknown_call(store: Store) -> None:
    with store.reading() as db:
        assert calls.find(db, calls.new_call_id()) is None


def test_an_answer_comes_once(store: Store, dial: Any) -> None:
    with store.writing() as db:
        call = dial(db)
        row = calls.answer(db, call.call_id, upstream_call_id="rtc_1", upstream_request_id="r", at=AT + 5)
        again = calls.answer(db, call.call_id, upstream_call_id="rtc_2", upstream_request_id="r", at=AT + 6)
        assert again is None
        assert calls.find(db, call.call_id) == row
    assert row is not None
    assert (row.state, row.upstream_call_id, row.upstream_request_id) == ("answered", "rtc_1", "r")
    assert row.answered_at == AT + 5


def test_an_answer_without_the_upstreams_id_leaves_the_call_unobserved(store: Store, dial: Any) -> None:
    with store.writing() as db:
        call = dial(db)
        row = calls.answer(db, call.call_id, upstream_call_id=None, upstream_request_id=None, at=AT)
    assert row is not None
    assert row.state == "unobserved"


def test_an_answer_shows_the_wish_that_came_while_dialling(store: Store, dial: Any) -> None:
    with store.writing() as db:
        call = dial(db)
        calls.wish_hang_up(db, call.call_id, reason="caller_hung_up", by="alice", at=AT + 1)
        row = calls.answer(db, call.call_id, upstream_call_id="rtc_1", upstream_request_id=None, at=AT + 2)
    assert row is not None
    assert (row.hang_up_wished_at, row.hang_up_reason, row.hang_up_by) == (AT + 1, "caller_hung_up", "alice")


def test_a_failure_ends_the_dialling_and_nothing_else(store: Store, dial: Any, answered: Any) -> None:
    with store.writing() as db:
        failing, talking = dial(db), answered(db)
        assert calls.fail(db, failing.call_id, code="offer_rejected", detail="No.", at=AT + 1)
        assert not calls.fail(db, failing.call_id, code="upstream_busy", detail=None, at=AT + 2)
        assert not calls.fail(db, talking.call_id, code="upstream_busy", detail=None, at=AT + 2)
        row = calls.find(db, failing.call_id)
    assert row is not None
    assert (row.state, row.failure_code, row.failure_detail, row.ended_at) == (
        "failed",
        "offer_rejected",
        "No.",
        AT + 1,
    )


def test_only_intents_older_than_the_bound_are_given_up(store: Store, dial: Any, answered: Any) -> None:
    with store.writing() as db:
        old, young, talking = dial(db, at=AT), dial(db, at=AT + 10), answered(db, at=AT)
        assert calls.fail_stale_intents(db, older_than=AT + 10, at=AT + 20) == 1
        states = [calls.find(db, call.call_id) for call in (old, young, talking)]
    assert [(call.state, call.failure_code) for call in states if call] == [
        ("failed", "outcome_unknown"),
        ("dialling", None),
        ("answered", None),
    ]


def test_the_first_wish_stays_and_lies_in_the_inbox_once(store: Store, answered: Any, join: Any) -> None:
    with store.writing() as db:
        call = answered(db)
        first = calls.wish_hang_up(db, call.call_id, reason="caller_hung_up", by="alice", at=AT + 1)
        second = calls.wish_hang_up(db, call.call_id, reason="operator_hung_up", by="olga", at=AT + 2)
        assert first == second
        join(db, "n1")
        calls.claim(db, "n1", limit=1, at=AT)
        messages = inbox.waiting(db, "n1")
    assert first is not None
    assert (first.hang_up_reason, first.hang_up_by, first.hang_up_wished_at) == (
        "caller_hung_up",
        "alice",
        AT + 1,
    )
    assert [(message.kind, message.by, message.at) for message in messages] == [("hang_up", "alice", AT + 1)]


def test_a_wish_changes_nothing_on_a_call_that_is_over(store: Store, dial: Any) -> None:
    with store.writing() as db:
        call = dial(db)
        calls.fail(db, call.call_id, code="upstream_busy", detail=None, at=AT)
        row = calls.wish_hang_up(db, call.call_id, reason="caller_hung_up", by="alice", at=AT + 1)
        assert calls.wish_hang_up(db, "call_0", reason="caller_hung_up", by="alice", at=AT) is None
        assert db.exec_driver_sql("SELECT count(*) FROM inbox").scalar_one() == 0
    assert row is not None
    assert row.hang_up_wished_at is None


def test_pages_go_from_the_newest_to_the_oldest_without_overlap(store: Store, dial: Any) -> None:
    with store.writing() as db:
        numbers = [dial(db).number for _ in range(7)]
        first = calls.list_page(db, limit=3)
        second = calls.list_page(db, limit=3, before=first[-1].number)
        third = calls.list_page(db, limit=3, before=second[-1].number)
    assert [call.number for call in first + second + third] == numbers[::-1]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "answered"}, [2]),
        ({"profile": "sales"}, [3]),
        ({"caller": "bob"}, [4]),
        ({"since": AT + 10}, [4, 3]),
        ({"until": AT + 10}, [2, 1]),
        ({"since": AT + 10, "until": AT + 11}, [3]),
        ({"upstream_call_id": "rtc_1"}, [2]),
        ({"end_reason": "unknown"}, []),
        ({"caller": "bob", "profile": "sales"}, []),
    ],
)
def test_a_page_can_be_narrowed(
    store: Store, dial: Any, answered: Any, filters: dict[str, Any], expected: list[int]
) -> None:
    with store.writing() as db:
        dial(db, at=AT)
        answered(db, at=AT)
        dial(db, profile="sales", at=AT + 10)
        dial(db, caller="bob", at=AT + 11)
        assert [call.number for call in calls.list_page(db, limit=9, **filters)] == expected


def test_it_counts_calls_by_state(store: Store, dial: Any, answered: Any) -> None:
    with store.writing() as db:
        for _ in range(2):
            dial(db)
        answered(db)
        assert calls.count_by_state(db) == {"dialling": 2, "answered": 1}


def test_only_a_call_that_no_living_node_holds_can_be_ended_from_outside(
    store: Store, answered: Any, join: Any, kill: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        assert not calls.end_unheld(db, call.call_id, reason="caller_hung_up", certainty="stated", at=AT)
        kill(db, "n1")
        assert calls.end_unheld(db, call.call_id, reason="caller_hung_up", certainty="stated", at=AT + 9)
        assert not calls.end_unheld(db, call.call_id, reason="unknown", certainty="inferred", at=AT + 10)
        row = calls.find(db, call.call_id)
        assert row is not None
        assert (row.state, row.end_reason, row.end_certainty) == ("ended", "caller_hung_up", "stated")
        assert (row.ended_at, row.holder, row.epoch) == (AT + 9, None, 2)
        assert not calls.update_held(db, call.number, 1, "n1", peer_seen_at=AT)


def test_summaries_are_written_of_the_calls_that_a_node_holds_and_of_no_others(
    store: Store, answered: Any, join: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")
        numbers = [answered(db).number for _ in range(4)]
        calls.claim(db, "n1", limit=3, at=AT)
        calls.claim(db, "n2", limit=1, at=AT)
        epochs = (1, 2, 1, 1)  # the second holding is another one, the last call another node's
        summaries = [
            calls.Summary(number, epoch, f"{number}", number, f"from {number}")
            for number, epoch in zip(numbers, epochs, strict=True)
        ]
        calls.summarise_held(db, "n1", summaries[::-1])
        calls.summarise_held(db, "n1", [summaries[0]._replace(carried=None)])
        calls.summarise_held(db, "n1", [])
        columns = (schema.calls.c.summary, schema.calls.c.spent, schema.calls.c.carried)
        rows = db.execute(select(*columns).order_by(schema.calls.c.number)).all()
        assert calls.update_held(
            db,
            numbers[0],
            1,
            "n1",
            state="ended",
            ended_at=AT,
            end_reason="caller_hung_up",
            end_certainty="stated",
            carried="more",
        )
        over = calls.of_number(db, numbers[0])
    assert [row.summary for row in rows] == [str(numbers[0]), None, str(numbers[2]), None]
    assert [row.carried for row in rows] == [f"from {numbers[0]}", None, f"from {numbers[2]}", None]
    assert over.carried is None
    assert [row.spent for row in rows] == [numbers[0], 0, numbers[2], 0]


def test_a_call_that_nobody_can_reach_ends_when_it_is_old(store: Store, dial: Any, answered: Any) -> None:
    with store.writing() as db:
        reachable = answered(db)
        for at in (AT, AT + 100):
            lost = dial(db)
            calls.answer(db, lost.call_id, upstream_call_id=None, upstream_request_id=None, at=at)
        assert calls.end_unreachable(db, older_than=AT + 50, at=AT + 200) == 1
        assert calls.count_by_state(db) == {"answered": 1, "ended": 1, "unobserved": 1}
        row = calls.find(db, reachable.call_id)
    assert row is not None
    assert row.end_reason is None


def test_every_state_leads_to_an_end_and_none_leads_out_of_it() -> None:
    assert set(TRANSITIONS) == set(STATES)
    assert before("dialling") == []
    assert before("ended") == ["answered", "observed", "unobserved"]
    assert before_or_same("ended") == before("ended")
    assert before_or_same("observed") == ["answered", "unobserved", "observed"]
    assert [state for state in STATES if not TRANSITIONS[state]] == ["ended", "failed"]
