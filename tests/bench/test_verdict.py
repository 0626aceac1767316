"""Each verdict on a log that was damaged on purpose, and none on a healthy one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from bench.verdict import Logged, Sent, Sight, Verdict, judge_call, judge_orphans
from call_log.events import EventRow

IDS = [f"event_{number}" for number in range(1, 11)]


def heard(*places: int) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    """Upstream events, by their places among those sent."""
    return [("upstream", "response.done", IDS[place - 1], {}) for place in places]


def note(type: str, **said: Any) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    return [("observer", f"observer.{type}", None, said)]


def attached(node: str, epoch: int) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    return note("attached", node=node, epoch=epoch)


def gap(cause: str = "taken_over") -> list[tuple[str, str, str | None, dict[str, Any]]]:
    return note("gap", cause=cause, from_at=1_000, until_at=1_250)


def log(*parts: list[tuple[str, str, str | None, dict[str, Any]]]) -> list[EventRow]:
    """A call's rows, numbered, one each 100 ms."""
    rows = [row for part in parts for row in part]
    return [
        EventRow(7, seq, seq * 100, source, type, event_id, json.dumps(said).encode())
        for seq, (source, type, event_id, said) in enumerate(rows, start=1)
    ]


HEALTHY = log(
    *(attached("a", 1), heard(1, 2, 3)),
    *(attached("b", 2), gap(), heard(6, 7), heard(4), note("late", events=1), heard(8, 9)),
    *(note("detached"), gap("detached"), note("ended")),
)
"""Taken over once: 4 came late, 5 is lost and marked; 10 was said after the observer had gone."""


def judged(rows: list[EventRow], seen: Iterable[Sight] = ()) -> Verdict:
    verdict = Verdict()
    judge_call(verdict, Sent("rtc_1", IDS, False, 0), rows, seen)
    return verdict


def without(rows: list[EventRow], event_id: str) -> list[EventRow]:
    """The log as if this event had never been written."""
    return renumbered([row for row in rows if row.event_id != event_id])


def renumbered(rows: list[EventRow]) -> list[EventRow]:
    return [row._replace(seq=seq) for seq, row in enumerate(rows, start=1)]


def test_a_healthy_log_is_good_and_its_gaps_are_told() -> None:
    verdict = judged(HEALTHY, [Sight(row.seq, row.event_id) for row in HEALTHY])
    assert verdict.faults == {}
    assert verdict.is_good
    assert (verdict.sent, verdict.stored, verdict.late) == (10, 8, 1)
    assert verdict.gaps == {"taken_over": [250], "detached": [250]}
    assert verdict.gap_ms == 500
    assert verdict.takeovers_ms == [300]


def test_what_was_seen_and_is_gone_or_changed_is_lost() -> None:
    seen = [Sight(2, "event_1"), Sight(99, "event_2"), Sight(3, "event_9")]
    assert judged(HEALTHY, seen).count("lost") == 2


@pytest.mark.parametrize("event_id", ["event_1", "event_2", "event_7", "event_9"])
def test_a_missing_event_without_a_gap_beside_it(event_id: str) -> None:
    verdict = judged(without(HEALTHY, event_id))
    expected = {"unmarked gap": 1} if event_id in ("event_1", "event_2", "event_7") else {}
    assert {name: len(said) for name, said in verdict.faults.items()} == expected


def test_events_missing_at_the_end_need_a_gap_too() -> None:
    assert judged(log(attached("a", 1), heard(*range(1, 10)), note("ended"))).count("unmarked gap") == 1
    assert judged(log(attached("a", 1), heard(*range(1, 11)), note("ended"))).is_good


def test_an_event_that_came_late_closes_no_gap_around_it() -> None:
    rows = log(attached("a", 1), heard(1, 2), heard(6), note("late", events=1), heard(8, 9, 10))
    assert judged(rows).count("unmarked gap") == 1


def test_a_call_that_was_never_written_is_one_gap() -> None:
    assert judged([]).count("unmarked gap") == 1


def test_from_its_cut_on_a_record_owes_nothing() -> None:
    rows = log(attached("a", 1), heard(1, 2), note("truncated"), heard(5), gap("truncated"), note("ended"))
    assert judged(rows).is_good
    assert judged(without(rows, "event_1")).count("unmarked gap") == 1


def test_an_event_stored_twice() -> None:
    verdict = judged(renumbered([*HEALTHY, HEALTHY[1]]))
    assert verdict.count("duplicate") == 1


def test_events_in_another_order_than_they_were_sent() -> None:
    assert judged(log(attached("a", 1), heard(1, 3, 2, *range(4, 11)))).count("disorder") == 1
    unannounced = renumbered([row for row in HEALTHY if row.type != "observer.late"])
    assert judged(unannounced).count("disorder") == 1


def test_an_event_that_was_never_sent() -> None:
    rows = log(attached("a", 1), heard(*range(1, 11)))
    rows[3] = rows[3]._replace(event_id="event_of_another_call")
    assert judged(rows).count("disorder") == 1


@pytest.mark.parametrize("second", [("b", 1), ("b", 0), ("a", 0)])
def test_two_holders_in_one_epoch(second: tuple[str, int]) -> None:
    rows = log(attached("a", 1), heard(*range(1, 6)), attached(*second), heard(*range(6, 11)))
    assert judged(rows).count("double owner") == 1


def test_one_holder_may_attach_again() -> None:
    rows = log(
        attached("a", 1), heard(*range(1, 6)), attached("a", 1), heard(*range(6, 11)), attached("a", 3)
    )
    assert judged(rows).is_good


@pytest.mark.parametrize("places", [(1, 2, 4), (1, 2, 2, 3), (2, 3)])
def test_a_sequence_with_holes_or_repeats(places: tuple[int, ...]) -> None:
    rows = log(attached("a", 1), heard(*range(1, 11)))
    broken = [row._replace(seq=seq) for seq, row in zip(places, rows, strict=False)]
    assert judged(broken).count("double owner") >= 1


def orphans(*sent: Sent, logged: Iterable[Logged] = ()) -> Verdict:
    verdict = Verdict()
    judge_orphans(verdict, sent, logged)
    return verdict


def test_a_call_that_runs_unseen_is_an_orphan() -> None:
    running = Sent("rtc_1", IDS, True, 0)
    for state in ("answered", "observed", "unobserved", "ended"):
        assert orphans(running, logged=[Logged(1, state, "rtc_1")]).count("orphan") == 1
    assert orphans(running).count("orphan") == 1
    assert orphans(running, logged=[Logged(1, "ended", "rtc_1", hang_up_wished=True)]).count("orphan") == 1


def test_a_call_that_is_watched_or_over_or_being_hung_up_is_none() -> None:
    assert orphans(Sent("rtc_1", IDS, True, 1)).is_good
    assert orphans(Sent("rtc_1", IDS, False, 0)).is_good
    wished = Logged(1, "observed", "rtc_1", hang_up_wished=True)
    assert orphans(Sent("rtc_1", IDS, True, 0), logged=[wished]).is_good


def test_an_intent_whose_outcome_nobody_learned_is_counted_apart() -> None:
    running = [Sent(f"rtc_{number}", IDS, True, 0) for number in range(2)]
    lost_intent = Logged(1, "failed", None, "outcome_unknown")
    verdict = orphans(*running, logged=[lost_intent])
    assert verdict.count("orphan") == 1
    assert verdict.outcome_unknown == 1
