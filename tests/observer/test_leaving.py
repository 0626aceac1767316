"""An observer that goes, and one that comes after it; a browser that never connects."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aiortc_peer import a_real_offer
from tests.observer.conftest import SHORTER
from tests.observer.scenes import OFFER, SPEECH
from tests.player import Attach, Player, Scenario
from tests.processes import Emulator, House, until


@pytest.fixture
def own_house(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "own", player.url).start()
    yield built
    built.stop()


@pytest.fixture
def impatient_house(tmp_path: Path, emulator: Emulator) -> Iterator[House]:
    built = House.build(tmp_path / "impatient", emulator.url)
    built.start_observer("-c", SHORTER)
    built.start_web()
    built.ready()
    yield built
    built.stop()


def test_it_leaves_on_sigterm_and_the_next_one_takes_its_calls(own_house: House, player: Player) -> None:
    scenario = player.expect(
        Scenario([Attach(frames=[SPEECH]), Attach(frames=['{"type": "after", "event_id": "2"}'])])
    )
    call_id = own_house.connect(OFFER).headers["X-Call-Id"]
    until(lambda: own_house.events(call_id, source="upstream"), "the first event")

    own_house.report(call_id, kind="channel", state="open")
    until(lambda: own_house.events(call_id, type="browser.channel"), "the report")

    first = own_house.observers.pop()
    assert first.stop(signal.SIGTERM) == 0
    assert own_house.get("/readyz").status_code == 503
    assert own_house.call(call_id)["state"] == "observed"
    assert not scenario.over
    own_house.start_observer()

    until(lambda: own_house.events(call_id, type="after"), "an event of the second observer")
    notes = [event["type"] for event in own_house.events(call_id, source="observer")]
    assert notes == ["observer.attached", "observer.detached", "observer.attached", "observer.gap"]
    assert len(own_house.events(call_id, type="browser.channel")) == 1
    assert [e["event"]["epoch"] for e in own_house.events(call_id, type="observer.attached")] == [1, 2]
    own_house.hang_up(call_id)
    assert own_house.ended(call_id)["summary"]["events"] >= 7


def test_what_was_shown_survives_kill_minus_9_and_the_call_is_taken_over(
    own_house: House, player: Player
) -> None:
    frames = [SPEECH, *(f'{{"type": "x", "event_id": "n{n}"}}' for n in range(500))]
    player.expect(
        Scenario([Attach(frames=list(frames)), Attach(frames=['{"type": "after", "event_id": "2"}'])])
    )
    call_id = own_house.connect(OFFER).headers["X-Call-Id"]
    shown = until(lambda: own_house.events(call_id, source="upstream"), "some events")

    killed = own_house.observers.pop()
    killed.child.send_signal(signal.SIGKILL)
    killed.child.wait()
    own_house.start_observer()

    until(lambda: own_house.events(call_id, type="after"), "an event of the second observer")
    assert own_house.events(call_id, source="upstream")[: len(shown)] == shown
    assert own_house.events(call_id, type="observer.gap")
    own_house.hang_up(call_id)
    own_house.ended(call_id)


DYING_WRITER = """
from call_log import events
append = events.append
def append_once(*given, seen=[]):
    seen.append(1)
    if len(seen) > 1:
        raise RuntimeError("a mistake of ours")
    return append(*given)
events.append = append_once
from observer.__main__ import main
main()
"""


@pytest.fixture
def empty_house(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "empty", player.url)
    yield built
    built.stop()


def test_an_observer_whose_writer_dies_ends_and_the_next_one_takes_its_calls(
    empty_house: House, player: Player
) -> None:
    house = empty_house
    dying = house.start_observer("-c", DYING_WRITER)
    house.start_web()
    house.ready()
    player.expect(Scenario([Attach(frames=[SPEECH]), Attach(frames=['{"type": "after", "event_id": "2"}'])]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]

    assert dying.child.wait(20) == 1
    assert "a mistake of ours" in dying.said() and "node_lost" in dying.said()
    house.observers.remove(dying)
    house.start_observer()

    until(lambda: house.events(call_id, type="after"), "an event of the second observer")
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_browser_that_never_connects_ends_its_call(impatient_house: House, emulator: Emulator) -> None:
    answer = impatient_house.connect(a_real_offer())
    assert answer.status_code == 201
    call = impatient_house.ended(answer.headers["X-Call-Id"])

    assert call["end"] == {"reason": "never_connected", "certainty": "inferred"}
    assert emulator.call(call["upstream_call_id"])["ended_at"] is not None
    assert emulator.ledger()["open_calls"] == 0
