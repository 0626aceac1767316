"""How often the call log is looked at: often, but as a small share of what the machine does; and who is told."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from call_log import inbox
from call_log.inbox import Message
from call_log.store import Store
from observer.limits import Limits
from observer.watch import AT_LEAST_EVERY_SECONDS, CallLogWatch, Waiting, rest_after
from tests.call_log.conftest import AT, STORES, file_url
from tests.observer.test_writer_on_postgres import NODE, SECONDS, answered, two_calls


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("database"))
    return file_url(tmp_path)


@pytest.mark.parametrize(
    ("took", "dialling", "rest"),
    [
        (0.02, False, 0.04),
        (0.02, True, 0.02),
        (5.0, False, AT_LEAST_EVERY_SECONDS),  # a server that said nothing: nobody worked meanwhile
        (5.0, True, AT_LEAST_EVERY_SECONDS),
    ],
)
def test_a_look_is_a_share_of_the_work_and_the_next_one_never_far_away(
    took: float, dialling: bool, rest: float
) -> None:
    assert rest_after(took, dialling) == pytest.approx(rest)


@pytest.mark.parametrize(
    ("is_claimable", "leaves", "is_told"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_messages_are_delivered_until_they_are_taken_and_other_work_is_told_to_who_may_take_it(
    url: str, tmp_path: Path, is_claimable: bool, leaves: bool, is_told: bool
) -> None:
    delivered: list[list[Message]] = []
    told: list[Waiting] = []
    leaving, again = asyncio.Event(), asyncio.Event()

    def deliver(messages: list[Message]) -> None:
        if delivered:
            again.set()
        delivered.append(messages)

    async def scene(store: Store) -> int:
        with store.writing() as db:
            number, _ = two_calls(db, tmp_path)
            if is_claimable:
                answered(db, 3)
            if leaves:
                leaving.set()
            inbox.put(db, number, kind="report", by="alice", at=AT)
        watch = CallLogWatch(store, NODE, Limits(), told.append, deliver, leaving)
        try:
            await asyncio.wait_for(again.wait(), SECONDS)
        finally:
            await watch.close()
        return number

    with contextlib.closing(Store(url)) as store:
        number = asyncio.run(scene(store))
    assert {(one.number, one.by) for some in delivered for one in some} == {(number, "alice")}
    assert bool(told) is is_told
