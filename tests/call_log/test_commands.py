"""Commands in the call log: who moves one from state to state, and that nobody does it twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, update

from call_log import calls, commands, erasure, inbox
from call_log import schema as table
from call_log.calls import Call
from call_log.commands import Command, Settled
from call_log.store import Store
from tests.call_log.conftest import AT

NODE, OTHER = "node_of_otto", "node_of_vera"


def command(call: Call, command_id: str = "cmd_1", **more: Any) -> Command:
    usual: dict[str, Any] = {
        "type": "whisper",
        "by": "otto",
        "peer": "127.0.0.1",
        "at": AT,
        "expires_at": AT + 30_000,
        "state": "queued",
        "code": None,
        "sent_at": None,
        "settled_at": None,
        "epoch": None,
        "digest": b"1",
    }
    return Command(call.number, command_id, **(usual | more))


@pytest.fixture
def held(store: Store, answered: Callable[..., Call], join: Callable[[Connection, str], None]) -> Call:
    """A call that NODE holds at epoch 1."""
    with store.writing() as db:
        join(db, NODE)
        join(db, OTHER)
        answered(db)
        (call,) = calls.claim(db, NODE, limit=1, at=AT)
    return call


def send(
    db: Connection, call: Call, one: Command, message_id: int | None, **more: Any
) -> commands.State | None:
    usual: dict[str, Any] = {"node_id": NODE, "epoch": call.epoch, "at": AT + 5}
    return commands.send(db, command=one, message_id=message_id, **(usual | more))


def queued(store: Store, call: Call, one: Command) -> int:
    with store.writing() as db:
        assert commands.queue(db, one, json.dumps({"asked": "x"})) is None
        (message,) = [m for m in inbox.waiting(db, NODE) if m.kind == "command"]
    return message.id


def state_of(store: Store, call: Call, command_id: str = "cmd_1") -> tuple[str, str | None]:
    with store.reading() as db:
        found = commands.find(db, call.number, command_id)
    assert found is not None
    return found.state, found.code


def test_a_command_is_queued_sent_and_settled(store: Store, held: Call) -> None:
    message_id = queued(store, held, command(held))
    assert state_of(store, held) == ("queued", None)
    with store.writing() as db:
        assert send(db, held, command(held), message_id) == "sent"
        assert inbox.waiting(db, NODE) == []
    with store.writing() as db:
        assert commands.settle(db, NODE, held.epoch, held.number, [Settled("cmd_1", "confirmed")], at=AT + 9)
        assert commands.unsettled(db, held.number) == []
    assert state_of(store, held) == ("confirmed", None)


def test_several_commands_are_settled_at_once_and_none_twice(store: Store, held: Call) -> None:
    for command_id in ("cmd_1", "cmd_2", "cmd_3"):
        message_id = queued(store, held, command(held, command_id))
        with store.writing() as db:
            send(db, held, command(held, command_id), message_id)
    told = [Settled("cmd_1", "confirmed"), Settled("cmd_2", "refused", "no_such_item")]
    again = [Settled("cmd_1", "unknown"), Settled("cmd_3", "confirmed")]
    with store.writing() as db:
        assert commands.settle(db, NODE, held.epoch, held.number, told, at=AT + 9)
        assert commands.settle(db, NODE, held.epoch, held.number, again, at=AT + 9)
    states = [state_of(store, held, f"cmd_{number}") for number in (1, 2, 3)]
    assert states == [("confirmed", None), ("refused", "no_such_item"), ("confirmed", None)]


def test_the_same_id_is_one_command_and_many_who_ask_at_once_make_one(store: Store, held: Call) -> None:
    def ask(n: int) -> bool:
        with store.writing() as db:
            return commands.queue(db, command(held, by=f"sender {n}"), "{}") is None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(20))) == 1
    with store.reading() as db:
        assert len(inbox.waiting(db, NODE)) == 1


def test_what_is_sent_is_not_sent_again_but_by_the_same_holding_that_saw_it_refused(
    store: Store, held: Call
) -> None:
    message_id = queued(store, held, command(held))
    with store.writing() as db:
        assert send(db, held, command(held), message_id) == "sent"
        assert send(db, held, command(held), message_id, at=AT + 6) == "unknown"
        assert send(db, held, command(held), message_id, at=AT + 6, again=True) == "sent"


def test_a_lost_holding_sends_nothing(store: Store, held: Call) -> None:
    message_id = queued(store, held, command(held))
    with store.writing() as db:
        assert send(db, held, command(held), message_id, epoch=held.epoch - 1) is None
        assert send(db, held, command(held), message_id, node_id=OTHER) is None
        assert not commands.settle(db, OTHER, held.epoch, held.number, [Settled("cmd_1", "confirmed")], at=AT)
    assert state_of(store, held) == ("queued", None)


def test_a_command_that_waited_too_long_reads_as_expired_and_is_never_sent(store: Store, held: Call) -> None:
    message_id = queued(store, held, command(held))
    with store.writing() as db:
        db.execute(update(table.commands).values(expires_at=AT))
    assert state_of(store, held) == ("expired", None)
    with store.writing() as db:
        assert send(db, held, command(held), message_id) == "expired"
        assert inbox.waiting(db, NODE) == []
    with store.reading() as db:
        assert db.execute(table.commands.select()).one().state == "expired"


def test_one_of_our_own_is_written_once_whoever_holds_the_call(store: Store, held: Call) -> None:
    ours = command(held, "tool_1", by="tool:weather")
    with store.writing() as db:
        assert send(db, held, ours, None) == "sent"
        assert send(db, held, ours, None, at=AT + 6) == "unknown"


def test_the_end_of_a_call_leaves_no_command_open(store: Store, held: Call) -> None:
    queued(store, held, command(held, "waits"))
    with store.writing() as db:
        assert send(db, held, command(held, "is_sent"), None) == "sent"
        commands.queue(db, command(held, "hangs_up", type="hang_up"), None)
        over = {
            "state": "ended",
            "ended_at": AT + 9,
            "end_reason": "caller_hung_up",
            "end_certainty": "stated",
        }
        assert calls.update_held(db, held.number, held.epoch, NODE, **over, holder=None)  # type: ignore[arg-type]
    assert [state_of(store, held, name)[0] for name in ("waits", "is_sent", "hangs_up")] == [
        "expired",
        "unknown",
        "confirmed",
    ]
    with store.reading() as db:
        assert inbox.waiting(db, NODE) == []


def test_no_word_of_a_command_outlives_its_call(store: Store, held: Call) -> None:
    with store.writing() as db:
        commands.queue(db, command(held), json.dumps({"asked": "Zanzibar"}))
        over = {
            "state": "ended",
            "ended_at": AT + 9,
            "end_reason": "caller_hung_up",
            "end_certainty": "stated",
        }
        assert calls.update_held(db, held.number, held.epoch, NODE, **over, holder=None)  # type: ignore[arg-type]
        erasure.mark(db, held.call_id, by="otto", at=AT + 10)
        assert [row.body for row in db.execute(table.inbox.select())] == [None]


def test_the_last_of_some_types_is_known_and_what_was_never_sent_is_not_among_them(
    store: Store, held: Call
) -> None:
    with store.writing() as db:
        for name, kind in (("a", "mute"), ("b", "unmute"), ("c", "say")):
            assert send(db, held, command(held, name, type=kind), None) == "sent"
        commands.queue(db, command(held, "d", type="mute"), "{}")
        latest = commands.latest(db, held.number, ("mute", "unmute"))
        assert latest is not None and latest.command_id == "b"
        assert [one.command_id for one in commands.of_call(db, held.number, limit=2)] == ["d", "c"]
        assert replace(latest, epoch=None).epoch is None


def test_a_settled_command_stays_what_it_is_but_an_unknown_one_may_be_found_out(
    store: Store, held: Call
) -> None:
    with store.writing() as db:
        send(db, held, command(held), None)
        for state, is_now in (("unknown", "unknown"), ("confirmed", "confirmed"), ("refused", "confirmed")):
            commands.settle(db, NODE, held.epoch, held.number, [Settled("cmd_1", state)], at=AT)  # type: ignore[arg-type]
            found = commands.find(db, held.number, "cmd_1")
            assert found is not None and found.state == is_now
