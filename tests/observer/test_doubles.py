"""Events that come again: the same, or another one under the same id."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from observer.doubles import ENTRY_BYTES, Doubles
from observer.node import READS_AT_ONCE
from tests.observer.scenes import OFFER, open_call
from tests.player import Attach, Player, Scenario
from tests.processes import House, until


@pytest.mark.parametrize("kept", [1, 2, 7])
def test_it_remembers_exactly_the_last_ones(kept: int) -> None:
    doubles = Doubles(kept)
    for n in range(50):
        assert doubles.see(f"e{n}", b"said") == "new"
        for back in range(min(n + 1, kept)):
            assert doubles.see(f"e{n - back}", b"said") == "again"
            assert doubles.see(f"e{n - back}", b"other words") == "changed"
    assert doubles.see(f"e{49 - kept}", b"said") == "new"


def test_what_has_no_id_is_always_new() -> None:
    doubles = Doubles(10)
    assert [doubles.see(None, b"said") for _ in range(3)] == ["new"] * 3


def test_what_the_log_holds_less_of_is_known_by_its_id_alone() -> None:
    doubles = Doubles(10)
    doubles.recall("whole", b"said")
    doubles.recall("redacted", None)
    doubles.recall(None, b"no id")
    assert [doubles.see("whole", b"said"), doubles.see("whole", b"other words")] == ["again", "changed"]
    assert [doubles.see("redacted", b"said"), doubles.see("redacted", b"other words")] == ["again"] * 2


def test_it_stays_small() -> None:
    doubles = Doubles(1_000)
    for n in range(5_000):
        doubles.see(f"event_{n}", b"said")
    assert len(doubles._entries) == 1_000 * ENTRY_BYTES


def event(event_id: str, n: int) -> str:
    return json.dumps({"type": "x", "event_id": event_id, "n": n})


def heard(house: House, call_id: str) -> list[tuple[str, int]]:
    shown = [said["event"] for said in house.events(call_id, source="upstream")]
    return [(said["event_id"], said["n"]) for said in shown]


def test_a_repeated_event_is_stored_once_and_a_changed_one_twice_with_a_note(
    house: House, player: Player
) -> None:
    first = Attach(frames=[event("b", 2), event("a", 1), event("b", 2), event("a", 7)], cut=True)
    again = Attach(frames=[event("a", 1), event("b", 2), event("c", 3)], close=(1000, ""))
    call_id, _ = open_call(house, player, first, again)

    house.ended(call_id)

    assert heard(house, call_id) == [("b", 2), ("a", 1), ("a", 7), ("c", 3)]  # as received
    (note,) = house.events(call_id, type="observer.id_reused")
    (seq,) = [said["seq"] for said in house.events(call_id, source="upstream") if said["event"]["n"] == 7]
    assert note["event"] == {"type": "observer.id_reused", "event_id": "a"}
    assert note["seq"] == seq + 1, "it stands behind the event"


@pytest.fixture
def own_house(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "own", player.url).start()
    yield built
    built.stop()


READS_SLOWLY = """
import time
from observer.__main__ import main
from observer.record import Record
read_back = Record.read_back
Record.read_back = lambda *of: time.sleep(0.3) or read_back(*of)
main()
"""


def test_the_next_holder_knows_what_was_stored_before_it(own_house: House, player: Player) -> None:
    house = own_house
    frames = [event("a", 1), event("b", 2)]
    scenario = player.expect(Scenario([Attach(frames=list(frames)), Attach(frames=[*frames, event("c", 3)])]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    until(lambda: len(heard(house, call_id)) == 2, "both")

    killed = house.observers.pop()
    killed.child.send_signal(signal.SIGKILL)
    killed.child.wait()
    house.start_observer("-c", READS_SLOWLY)

    until(lambda: ("c", 3) in heard(house, call_id), "an event of the second observer")
    assert heard(house, call_id) == [("a", 1), ("b", 2), ("c", 3)]
    house.hang_up(call_id)
    house.ended(call_id)
    assert scenario.hung_up == 1


READS_WHEN_TOLD = """
import pathlib, time
from observer import observed_call
from observer.__main__ import main
from observer.record import Record
observed_call.REMEMBERED_WITHIN_SECONDS = 60.0
read_back = Record.read_back
def when_told(*of):
    while not pathlib.Path({path!r}).exists():
        time.sleep(0.01)
    return read_back(*of)
Record.read_back = when_told
main()
"""


def test_whoever_takes_many_calls_over_hears_them_before_it_has_read_their_logs(
    own_house: House, player: Player, tmp_path: Path
) -> None:
    house, told = own_house, tmp_path / "told"
    calls = [
        open_call(house, player, Attach(), Attach(frames=[event("a", 1)])) for _ in range(READS_AT_ONCE + 2)
    ]
    for call_id, _ in calls:
        house.observed(call_id)

    killed = house.observers.pop()
    killed.child.send_signal(signal.SIGKILL)
    killed.child.wait()
    house.start_observer("-c", READS_WHEN_TOLD.format(path=str(told)))

    for call_id, _ in calls:
        until(partial(heard, house, call_id), "the event")
    told.touch()
    for call_id, _ in calls:
        house.hang_up(call_id)
        house.ended(call_id)
        assert heard(house, call_id) == [("a", 1)]
