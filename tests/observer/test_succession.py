"""How calls change hands between real observers that are killed, paused, full, or die of a call."""

from __future__ import annotations

import contextlib
import json
import signal

from sqlalchemy import update

from call_log.calls import Call, find
from call_log.schema import calls
from call_log.store import Store
from tests.observer.scenes import (
    IN_DOUBT,
    OFFER,
    SPEECH,
    Held,
    event,
    holders,
    node_of,
    one_call,
    one_sideband_only,
)
from tests.player import Attach, Player, Scenario
from tests.processes import House, until
from tests.realtime.pen import fold
from tests.realtime.test_packing import call_of

UNLIKE = ("errors", "response_gap_ms", "perceived_gap_ms")
"""Numbers that are put wrong on purpose, or depend on when the lines came."""


def test_two_observers_that_were_started_share_the_calls_and_each_call_has_one(
    empty_house: House, player: Player
) -> None:
    house = empty_house
    both = {node_of(house.start_observer()), node_of(house.start_observer())}
    house.ready()
    calls = [one_call(house, player, attaches=1) for _ in range(6)]
    for call_id, scenario in calls:
        assert len(scenario.dialled) == 1
        ((node, epoch),) = holders(house, call_id)
        assert node in both and epoch == 1
        house.hang_up(call_id)
        house.ended(call_id)


def test_the_calls_of_a_killed_observer_go_on_with_the_other_and_the_gap_is_marked(
    empty_house: House, player: Player
) -> None:
    held = Held.by(empty_house, player)
    held.say(1)
    held.has_heard(1)
    second = held.another()
    held.kill(held.first)
    held.was_dialled(2)
    player.say(held.scenario, event(2))
    held.has_heard(1, 2)
    assert held.gaps() == ["taken_over"]
    assert held.epochs() == [1, 2]
    until(lambda: "node_buried" in second.said(), "the burial")
    assert list(empty_house.locks.glob("node_*")) == [empty_house.locks / f"{node_of(second)}.lock"]
    held.end()


def test_whoever_takes_over_a_long_call_goes_on_from_the_numbers_of_the_one_before(
    empty_house: House, player: Player
) -> None:
    """Shown by numbers that nobody could read from the log."""
    held = Held.by(empty_house, player, attaches=Scenario([Attach(), Attach()]))
    call_id, scenario = held.call_id, held.scenario
    said, first_part = [line.raw.decode() for line in call_of(13).sent], len(call_of(12).sent)
    player.say(scenario, *said[:first_part])
    with contextlib.closing(Store(empty_house.environ["DATABASE_URL"])) as store:
        until(lambda: row_of(store, call_id).carried, "what the next holder goes on from")
        held.kill(held.first)
        packed = json.loads(str(row_of(store, call_id).carried))
        packed["conversation"]["errors"] += 1_000
        with store.writing() as db:
            db.execute(update(calls).where(calls.c.call_id == call_id).values(carried=json.dumps(packed)))
        held.another()
        held.was_dialled(2)
        player.say(scenario, *said[first_part:])
        until(lambda: len(empty_house.events(call_id, type="response.done")) == 13, "the last answer")
        held.end()
        over = row_of(store, call_id)
    summary = json.loads(str(over.summary))
    whole = fold(call_of(13).sent).summary()
    assert summary["errors"] == whole["errors"] + 1_000
    alike = whole.keys() - set(UNLIKE)
    assert {name: summary[name] for name in alike} == {name: whole[name] for name in alike}
    assert over.carried is None


def row_of(store: Store, call_id: str) -> Call:
    with store.reading() as db:
        found = find(db, call_id)
    assert found is not None
    return found


def test_a_paused_observer_writes_nothing_when_it_wakes_and_what_it_heard_is_not_lost(
    empty_house: House, player: Player
) -> None:
    held = Held.by(empty_house, player)
    held.another()
    held.first.child.send_signal(signal.SIGSTOP)
    held.say(1)  # waits in the socket of the paused one
    held.changed_hands()
    held.say(2)
    held.has_heard(2)
    held.first.child.send_signal(signal.SIGCONT)
    until(lambda: "call_lost_to_another_node" in held.first.said(), "the first observer's insight")
    held.has_heard(2, 1)
    until(lambda: held.words()[-1:] == [True], "its last word")
    late = [note["event"] for note in empty_house.events(held.call_id, type="observer.late")]
    assert {note["node"] for note in late} == {node_of(held.first)}
    assert (sum(note["events"] for note in late), sum(note["known"] for note in late)) == (1, 1)
    assert held.epochs() == [1, 2]
    held.end()


def test_an_owner_whose_socket_was_given_to_another_does_not_take_it_back(
    empty_house: House, player: Player
) -> None:
    """Where a call may have one sideband only, two who both dialled again would throw each other out for ever."""
    held = Held.by(empty_house, player, attaches=one_sideband_only())
    held.another()
    held.first.child.send_signal(signal.SIGSTOP)
    held.changed_hands()
    held.first.child.send_signal(signal.SIGCONT)
    until(lambda: "call_lost_to_another_node" in held.first.said(), "the first observer's insight")
    until(held.words, "its last word")
    player.say(held.scenario, event(1))
    held.has_heard(1)
    assert held.epochs() == [1, 2]
    assert held.scenario.dialled == ["101", "101"]
    held.end()


DIES_OF_ONE_CALL = """
import os, signal
from observer import record
from observer.__main__ import main
reading = record.header
def header(raw):
    if b"poison" in raw:
        os.kill(os.getpid(), signal.SIGKILL)
    return reading(raw)
record.header = header
main()
"""


def test_a_call_that_three_observers_died_of_is_hung_up_and_the_others_are_served(
    empty_house: House, player: Player
) -> None:
    house = empty_house
    poisoned = player.expect(Scenario([Attach(frames=[SPEECH, event(1), '{"type": "poison"}'])] * 9))
    observer = house.start_observer("-c", DIES_OF_ONE_CALL)
    house.ready()
    poisoned_id = house.connect(OFFER).headers["X-Call-Id"]
    for _ in range(3):
        assert observer.child.wait(20) == -signal.SIGKILL
        house.observers.remove(observer)
        observer = house.start_observer("-c", DIES_OF_ONE_CALL)
    ended = house.ended(poisoned_id)
    assert ended["end"] == {"reason": "not_observed", "certainty": "stated"}
    assert poisoned.hung_up == 1
    assert [said["event"]["crashes"] for said in house.events(poisoned_id, type="observer.quarantined")] == [
        3
    ]
    call_id, _ = one_call(house, player, attaches=1)
    assert observer.alive()
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_full_observer_keeps_its_calls_and_lets_no_more_in(empty_house: House, player: Player) -> None:
    house = empty_house
    house.start_observer(
        "-c",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (74, 74)); "
        "from observer.__main__ import main; main()",
    )
    house.ready()
    ids = []
    for _ in range(7):
        ids.append(one_call(house, player, attaches=1)[0])
    until(lambda: house.get("/readyz").json()["reasons"], "the full observer's word")
    refused = house.connect(OFFER)
    assert (refused.status_code, refused.json()["code"]) == (503, "no_observer")
    assert "as many calls as it can hold" in refused.json()["detail"]
    assert [house.call(call_id)["state"] for call_id in ids] == ["observed"] * 7
    house.hang_up(ids.pop())
    house.ready()
    for call_id in ids:
        house.hang_up(call_id)
        house.ended(call_id)


def test_a_call_whose_claim_was_committed_without_an_answer_is_followed_all_the_same(
    empty_house: House, player: Player
) -> None:
    house = empty_house
    observer = house.start_observer("-c", IN_DOUBT.format(name="Node._take"))
    house.ready()
    call_id, _ = one_call(house, player, attaches=1)
    assert "an answer was lost" in observer.said()
    assert [epoch for _, epoch in holders(house, call_id)] == [1]
    house.hang_up(call_id)
    house.ended(call_id)
