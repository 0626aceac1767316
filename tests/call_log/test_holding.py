"""Claims, epochs and the fence."""

import multiprocessing
import random
from typing import Any

import pytest
from sqlalchemy import update

from call_log import calls, events, inbox, nodes, schema
from call_log.events import EventRow
from call_log.store import Store

AT = 1_795_000_000_000
HOUR_MS = 60 * 60 * 1000


@pytest.fixture
def two_nodes(store: Store, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")


pytestmark = pytest.mark.usefixtures("two_nodes")


def _row(number: int, seq: int = 1) -> EventRow:
    return EventRow(number, seq, AT, "upstream", "session.created", None, b"{}")


def test_a_claim_takes_the_oldest_answered_calls_up_to_its_limit(
    store: Store, dial: Any, answered: Any
) -> None:
    with store.writing() as db:
        dial(db)
        for _ in range(3):
            answered(db)
        taken = calls.claim(db, "n1", limit=2, at=AT + 7)
        assert [(call.number, call.holder, call.epoch, call.claimed_at) for call in taken] == [
            (2, "n1", 1, AT + 7),
            (3, "n1", 1, AT + 7),
        ]
        assert [call.number for call in calls.claim(db, "n2", limit=9, at=AT)] == [4]
        assert calls.claim(db, "n2", limit=9, at=AT) == []


def test_a_call_without_the_upstreams_id_or_past_its_end_is_not_claimed(store: Store, dial: Any) -> None:
    with store.writing() as db:
        lost, failed = dial(db), dial(db)
        calls.answer(db, lost.call_id, upstream_call_id=None, upstream_request_id=None, at=AT)
        calls.fail(db, failed.call_id, code="upstream_busy", detail=None, at=AT)
        assert calls.claim(db, "n1", limit=9, at=AT) == []


@pytest.mark.parametrize("death", ["heartbeat", "lock", "row", "leave"])
def test_the_calls_of_a_dead_node_are_claimed_at_the_next_epoch(
    store: Store, answered: Any, kill: Any, death: str
) -> None:
    with store.writing() as db:
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        assert calls.claim(db, "n2", limit=1, at=AT) == []
        if death == "heartbeat":
            kill(db, "n1")
        elif death == "row":
            db.exec_driver_sql("DELETE FROM nodes WHERE node_id = 'n1'")
        elif death == "leave":
            nodes.leave(db, "n1")
        free_locks = {"n1"} if death == "lock" else set()
        taken = calls.claim(db, "n2", limit=1, at=AT, free_locks=free_locks)
        assert [(row.number, row.holder, row.epoch) for row in taken] == [(call.number, "n2", 2)]


def test_a_node_does_not_take_its_own_calls_anew(store: Store, answered: Any) -> None:
    with store.writing() as db:
        answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        assert calls.claim(db, "n1", limit=1, at=AT, free_locks={"n1"}) == []


def test_whoever_comes_back_first_takes_nobody_for_dead(store: Store, answered: Any, kill: Any) -> None:
    """The store was away: all hearts stopped together, and n2 is the first to renew."""
    with store.writing() as db:
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        for node in ("n1", "n2"):
            kill(db, node)
        nodes.heartbeat(db, "n2")
        assert calls.claim(db, "n2", limit=1, at=AT) == []
        assert calls.update_held(db, call.number, 1, "n1", holder=None)
        assert len(calls.claim(db, "n2", limit=1, at=AT)) == 1, "and so is a call that nobody holds"


def pass_by(db: Any, milliseconds: int) -> None:
    """So much later all that was written is older."""
    later = {name: schema.nodes.c[name] - milliseconds for name in ("heartbeat_at", "renewed_since")}
    db.execute(update(schema.nodes).values(later))


@pytest.mark.parametrize("jump", [-HOUR_MS, HOUR_MS, -24 * HOUR_MS, 24 * HOUR_MS])
def test_when_the_databases_clock_jumps_nobody_is_taken_for_dead_but_who_does_not_renew(
    store: Store, answered: Any, jump: int
) -> None:
    """What was written before then stands by as much in the other direction."""
    with store.writing() as db:
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        pass_by(db, jump)
        assert nodes.live(db) == []
        assert calls.claim(db, "n2", limit=1, at=AT) == [], "it has not renewed itself"
        nodes.heartbeat(db, "n2")
        assert calls.claim(db, "n2", limit=1, at=AT) == [], "nor for a full lease"
        for passed in (2_000, 1_500):
            nodes.heartbeat(db, "n1")
            nodes.heartbeat(db, "n2")
            pass_by(db, passed)
        assert calls.claim(db, "n2", limit=1, at=AT) == [], "n1 has renewed too"
        nodes.heartbeat(db, "n2")
        pass_by(db, 2_000)
        (taken,) = calls.claim(db, "n2", limit=1, at=AT)
    assert (taken.number, taken.epoch) == (call.number, 2)


def test_a_files_free_lock_is_certain_and_a_sessions_is_not(
    store: Store, url: str, answered: Any, kill: Any
) -> None:
    """All sessions of a server end when it restarts, and nobody has died."""
    with store.writing() as db:
        answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        kill(db, "n2")
        nodes.heartbeat(db, "n2")
        taken = calls.claim(db, "n2", limit=1, at=AT, free_locks={"n1"})
        assert len(taken) == (1 if url.startswith("sqlite") else 0)


def test_an_heir_adopts_the_calls_of_a_leaving_holder_one_by_one(store: Store, answered: Any) -> None:
    with store.writing() as db:
        first, second = answered(db), answered(db)
        calls.claim(db, "n1", limit=9, at=AT)
        assert calls.reserve(db, "n2", limit=9) == [], "n1 is not leaving"
        nodes.drain(db, "n1")
        assert calls.reserve(db, "n1", limit=9) == [], "who leaves inherits nothing"
        (reserved,) = calls.reserve(db, "n2", limit=1)
        assert (reserved.number, reserved.holder, reserved.epoch) == (first.number, "n1", 1)
        assert calls.held(db, "n1", {first.number: 1}) == {first.number}, (
            "it holds the call until it is adopted"
        )
        assert calls.adopt(db, "n1", reserved, at=AT) is None
        adopted = calls.adopt(db, "n2", reserved, at=AT + 9)
        assert adopted is not None
        assert (adopted.holder, adopted.epoch, adopted.heir, adopted.claimed_at) == ("n2", 2, None, AT + 9)
        assert calls.held(db, "n1", {first.number: 1, second.number: 1}) == {second.number}
        assert calls.adopt(db, "n2", reserved, at=AT) is None, "once"


def test_an_heir_begins_with_those_to_which_nobody_has_attached(store: Store, answered: Any) -> None:
    with store.writing() as db:
        first, second, new = answered(db), answered(db), answered(db)
        calls.claim(db, "n1", limit=9, at=AT)
        for call in (first, second):
            assert calls.update_held(db, call.number, 1, "n1", state="observed", observed_at=AT)
        nodes.drain(db, "n1")
        order = [calls.reserve(db, "n2", limit=1)[0].number for _ in range(3)]
    assert order == [new.number, first.number, second.number]


def test_a_node_can_ask_which_open_calls_it_holds(store: Store, answered: Any) -> None:
    with store.writing() as db:
        kept, ended, _others = answered(db), answered(db), answered(db)
        calls.claim(db, "n1", limit=2, at=AT)
        calls.claim(db, "n2", limit=1, at=AT)
        calls.update_held(
            db,
            ended.number,
            1,
            "n1",
            state="ended",
            ended_at=AT,
            end_reason="unknown",
            end_certainty="inferred",
        )
        assert [(call.number, call.epoch) for call in calls.held_by(db, "n1")] == [(kept.number, 1)]


def test_what_a_dead_heir_had_reserved_is_for_the_next_one(store: Store, answered: Any) -> None:
    with store.writing() as db:
        answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        nodes.drain(db, "n1")
        assert len(calls.reserve(db, "n2", limit=1)) == 1
        nodes.join(db, "n3", host="here", pid=3, lock_path="/x", version="1")
        assert calls.reserve(db, "n3", limit=1) == []
        nodes.leave(db, "n2")
        assert len(calls.reserve(db, "n3", limit=1)) == 1


@pytest.mark.parametrize("meanwhile", ["ended", "claimed by another", "released"])
def test_what_was_reserved_is_adopted_only_if_nothing_happened_to_it(
    store: Store, answered: Any, join: Any, meanwhile: str
) -> None:
    with store.writing() as db:
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        nodes.drain(db, "n1")
        (reserved,) = calls.reserve(db, "n2", limit=1)
        if meanwhile == "ended":
            assert calls.update_held(
                db,
                call.number,
                1,
                "n1",
                state="ended",
                ended_at=AT,
                end_reason="unknown",
                end_certainty="inferred",
            )
        elif meanwhile == "claimed by another":
            join(db, "n3")
            assert len(calls.claim(db, "n3", limit=1, at=AT, free_locks={"n1"})) == 1
        else:
            nodes.leave(db, "n1")
        assert (calls.adopt(db, "n2", reserved, at=AT) is not None) == (meanwhile == "released")


@pytest.mark.parametrize("why", ["dead", "draining", "unknown"])
def test_a_node_that_is_not_fit_claims_nothing(store: Store, answered: Any, kill: Any, why: str) -> None:
    with store.writing() as db:
        answered(db)
        if why == "dead":
            kill(db, "n1")
        if why == "draining":
            nodes.drain(db, "n1")
        assert calls.claim(db, "n1" if why != "unknown" else "n9", limit=1, at=AT) == []


def test_a_stale_holder_writes_nothing_after_another_has_claimed(
    store: Store, answered: Any, kill: Any
) -> None:
    with store.writing() as db:
        lost, kept = answered(db), answered(db)
        calls.claim(db, "n1", limit=9, at=AT)
        holdings = {lost.number: 1, kept.number: 1}
        kill(db, "n1")
        calls.claim(db, "n2", limit=1, at=AT)
        nodes.heartbeat(db, "n1")
        inbox.put(db, lost.number, kind="report", by="alice", at=AT)
    with store.writing() as db:
        assert calls.held(db, "n1", holdings) == {kept.number}
        assert events.append(db, "n1", holdings, [_row(lost.number), _row(kept.number)]) == {lost.number}
        assert not calls.update_held(db, lost.number, 1, "n1", summary="{}")
        assert not calls.update_held(
            db,
            lost.number,
            1,
            "n1",
            state="ended",
            ended_at=AT,
            end_reason="unknown",
            end_certainty="inferred",
        )
        assert inbox.waiting(db, "n1") == []
        assert events.after(db, lost.number, 0, limit=9) == []
        assert events.after(db, kept.number, 0, limit=9) == [_row(kept.number)]
        row = calls.find(db, lost.call_id)
    assert row is not None
    assert (row.state, row.holder, row.epoch, row.last_seq, row.summary) == ("answered", "n2", 2, 0, None)


def test_an_old_epoch_is_refused_even_when_the_same_node_holds_the_call_again(
    store: Store, answered: Any
) -> None:
    with store.writing() as db:
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        assert calls.update_held(db, call.number, 1, "n1", holder=None)
        assert [row.epoch for row in calls.claim(db, "n1", limit=1, at=AT)] == [2]
        assert calls.held(db, "n1", {call.number: 1}) == set()
        assert events.append(db, "n1", {call.number: 1}, [_row(call.number)]) == {call.number}
        assert not calls.update_held(db, call.number, 1, "n1", peer_seen_at=AT)


def test_a_released_call_is_written_by_nobody_and_a_held_one_by_its_holder_alone(
    store: Store, answered: Any
) -> None:
    with store.writing() as db:
        released, held = answered(db).number, answered(db).number
        calls.claim(db, "n1", limit=2, at=AT)
        assert calls.update_held(db, released, 1, "n1", holder=None)
        for node_id, refused in (("n1", {released}), ("n2", {released, held})):
            rows = [_row(released), _row(held)]
            assert events.append(db, node_id, {released: 1, held: 1}, rows) == refused
            for number in refused:
                assert not calls.update_held(db, number, 1, node_id, peer_seen_at=AT)


def test_first_times_stay(store: Store, answered: Any) -> None:
    with store.writing() as db:
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        for at in (AT, AT + 1):
            assert calls.update_held(
                db, call.number, 1, "n1", state="observed", observed_at=at, peer_seen_at=at
            )
        row = calls.find(db, call.call_id)
    assert row is not None
    assert (row.state, row.observed_at, row.peer_seen_at) == ("observed", AT, AT)


def test_an_end_comes_once_and_closes_the_inbox(store: Store, answered: Any) -> None:
    with store.writing() as db:
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        calls.wish_hang_up(db, call.call_id, reason="caller_hung_up", by="alice", at=AT)
        ends = [
            calls.update_held(
                db,
                call.number,
                1,
                "n1",
                state="ended",
                ended_at=at,
                end_reason="caller_hung_up",
                end_certainty="stated",
            )
            for at in (AT + 5, AT + 6)
        ]
        assert ends == [True, False]
        assert not calls.update_held(db, call.number, 1, "n1", state="observed")
        assert inbox.waiting(db, "n1") == []
        assert calls.open_work(db) == calls.Work(0, 0, 0, 0, 0)
        row = calls.find(db, call.call_id)
    assert row is not None
    assert row.ended_at == AT + 5


def test_an_observed_call_does_not_become_unobserved(store: Store, answered: Any) -> None:
    with store.writing() as db:
        call = answered(db)
        calls.claim(db, "n1", limit=1, at=AT)
        assert calls.update_held(db, call.number, 1, "n1", state="observed")
        assert not calls.update_held(db, call.number, 1, "n1", state="unobserved")


def _claim_all(url: str, node_id: str, seed: int, start: Any, results: Any) -> None:
    """What one of the racing processes does: claim a few at a time until nothing is left."""
    store, chance, won = Store(url), random.Random(seed), []
    start.wait(30)
    while True:
        with store.writing() as db:
            taken = calls.claim(db, node_id, limit=chance.randint(1, 5), at=AT)
        if not taken:
            break
        won += [(call.number, call.epoch) for call in taken]
    store.close()
    results.put((node_id, won))


def test_two_processes_that_race_for_200_calls_win_each_once(
    store: Store, url: str, answered: Any, seed: int
) -> None:
    with store.writing() as db:
        numbers = {answered(db).number for _ in range(200)}
    spawn = multiprocessing.get_context("spawn")
    start, results = spawn.Barrier(2), spawn.Queue()
    racers = [
        spawn.Process(target=_claim_all, args=(url, node, seed + place, start, results))
        for place, node in enumerate(("n1", "n2"))
    ]
    for racer in racers:
        racer.start()
    while any(racer.is_alive() for racer in racers) and results.qsize() < 2:
        with store.writing() as db:
            nodes.heartbeat(db, "n1")
            nodes.heartbeat(db, "n2")
    won = dict(results.get(timeout=30) for _ in racers)
    for racer in racers:
        racer.join(30)
    assert len(won["n1"]) + len(won["n2"]) == 200
    assert {number for number, _ in won["n1"] + won["n2"]} == numbers
    assert {epoch for _, epoch in won["n1"] + won["n2"]} == {1}
    with store.writing() as db:
        for node, taken in won.items():
            assert calls.held(db, node, dict(taken)) == {number for number, _ in taken}
