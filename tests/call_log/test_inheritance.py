"""What a new holder learns of many calls at once, before it attaches to any of them."""

import json
from typing import Any

import pytest

from call_log import calls, events, inheritance
from call_log.events import EventRow
from call_log.inheritance import RECALLED_ROWS, ROWS, Inheritance, LastWord
from call_log.schema import commands
from call_log.store import Connection, Store

AT = 1_795_000_000_000
LEFT: dict[str, Any] = {"code": 1000, "until_at": AT + 2, "ours": False}
WORD = LastWord(whole=True, until_at=AT + 2, code=1000, ours=False)


@pytest.fixture
def held(store: Store, join: Any, answered: Any) -> list[int]:
    """The numbers of five calls that n1 holds at epoch 1."""
    with store.writing() as db:
        join(db, "n1")
        for _ in range(5):
            answered(db)
        return [call.number for call in calls.claim(db, "n1", limit=9, at=AT)]


def write(db: Connection, number: int, *types: str, source: str = "observer", **said: object) -> None:
    rows = [
        EventRow(number, seq, AT + seq, source, type, None, json.dumps(said).encode())
        for seq, type in enumerate(types, start=1)
    ]
    assert events.append(db, "n1", {number: 1}, rows) == set()


def test_it_knows_of_each_call_how_its_log_ends(store: Store, held: list[int]) -> None:
    left, died, attached_again, forged, new = held
    with store.writing() as db:
        write(db, left, "observer.attached", "observer.detached", "a.type", **LEFT)
        write(db, died, "observer.attached", "a.type")
        write(db, attached_again, "observer.attached", "observer.detached", "observer.attached")
        write(db, forged, "observer.detached", source="upstream")
        last_seqs = {left: 3, died: 2, attached_again: 3, forged: 1, new: 0}
        assert inheritance.of(db, last_seqs) == {
            left: Inheritance(AT + 3, WORD, False),
            died: Inheritance(AT + 2, None, False),
            attached_again: Inheritance(AT + 3, None, False),
            forged: Inheritance(AT + 1, None, False),
        }


def test_a_word_that_lies_too_far_back_is_none(store: Store, held: list[int]) -> None:
    near, far, *_ = held
    with store.writing() as db:
        write(db, near, "observer.detached", *["a.type"] * (ROWS - 1))
        write(db, far, "observer.detached", *["a.type"] * ROWS)
        left = inheritance.of(db, {near: ROWS, far: ROWS + 1})
    assert [left[number].word is None for number in (near, far)] == [False, True]


def test_it_knows_whether_anything_was_ever_asked_to_be_sent(store: Store, held: list[int]) -> None:
    asked, other, *_ = held
    with store.writing() as db:
        write(db, asked, "a.type")
        write(db, other, "a.type")
        asking: dict[str, Any] = {"type": "say", "by": "vera", "state": "queued", "at": AT, "expires_at": AT}
        db.execute(commands.insert().values(number=asked, command_id="command_1", **asking))
        left = inheritance.of(db, {asked: 1, other: 1})
    assert [left[number].has_commands for number in (asked, other)] == [True, False]


def test_of_one_call_it_knows_the_same_and_the_end_of_its_log(store: Store, held: list[int]) -> None:
    long, left, died, *_ = held
    with store.writing() as db:
        write(db, long, *["a.type"] * (RECALLED_ROWS + 3))
        write(db, left, "observer.attached", "observer.detached", "a.type", **LEFT)
        write(db, died, "observer.detached", *["a.type"] * ROWS)
        found = [inheritance.of_one(db, number) for number in (long, left, died)]
        known = inheritance.of(db, {long: RECALLED_ROWS + 3, left: 3, died: ROWS + 1})
    assert [one._replace(end=()) for one in found] == [known[number] for number in (long, left, died)]
    assert [[row.seq for row in one.end] for one in found] == [
        list(range(4, RECALLED_ROWS + 4)),
        [1, 2, 3],
        list(range(1, ROWS + 2)),
    ]


SUCCEEDS = ("observer.attached", {"node": "n2", "succeeds": "n1"})
DOUBT = {"after_seq": 1, "from_at": AT + 1, "until_at": AT + 2}


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ([], [DOUBT]),
        ([("observer.late", {"node": "n1", "whole": True})], []),
        ([("observer.late", {"node": "n1", "whole": False})], [DOUBT]),
        ([("observer.late", {"node": "n0", "whole": True})], [DOUBT]),
        ([("observer.late", {"node": "n1", "whole": None})], [DOUBT]),
        ([("observer.gap", {"cause": "handed_over", "after_seq": 1})], []),
        ([("observer.gap", {"cause": "detached"})], [DOUBT]),
        ([("observer.detached", {}), ("observer.attached", {"node": "n2"})], [DOUBT]),
    ],
)
def test_it_knows_what_may_be_missing_since_earlier_holders_changed(
    since: list[tuple[str, dict[str, Any]]], found: list[dict[str, int]]
) -> None:
    lines = [("a.type", {}), SUCCEEDS, *since]
    end = [
        EventRow(1, seq, AT + seq, "observer", type, None, json.dumps(said).encode())
        for seq, (type, said) in enumerate(lines, start=1)
    ]
    assert inheritance.doubts(end) == found
    assert inheritance.doubts([row._replace(source="upstream") for row in end]) == []


def test_each_change_of_holders_is_a_doubt_of_its_own() -> None:
    changes = [{"node": "n2", "succeeds": "n1"}, {"node": "n3", "succeeds": "n2"}]
    end = [
        EventRow(1, seq, AT + seq, "observer", "observer.attached", None, json.dumps(said).encode())
        for seq, said in enumerate(changes, start=8)
    ]
    assert inheritance.doubts(end) == [
        {"after_seq": 7, "from_at": None, "until_at": AT + 8},
        {"after_seq": 8, "from_at": AT + 8, "until_at": AT + 9},
    ]
