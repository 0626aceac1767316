"""How calls change hands between real observers that are killed, paused, full, or die of a call."""

from __future__ import annotations

import contextlib
import json
import signal
from typing import Any

from sqlalchemy import update

from call_log.calls import Call, find
from call_log.schema import calls
from call_log.store import Store
from tests.observer.test_sideband import OFFER, SPEECH
from tests.player import Attach, Player, Scenario
from tests.processes import House, Process, until
from tests.realtime.pen import fold
from tests.realtime.test_packing import call_of

UNLIKE = ("errors", "response_gap_ms", "perceived_gap_ms")
"""Numbers that are put wrong on purpose, or depend on when the lines came."""


def event(number: int) -> str:
    return json.dumps({"type": "rate_limits.updated", "event_id": f"event_{number}", "rate_limits": []})


def heard(house: House, call_id: str) -> list[str]:
    return [said["event"]["event_id"] for said in house.events(call_id, type="rate_limits.updated")]


def gaps(house: House, call_id: str) -> list[str]:
    """Their causes, but for one at the beginning: on a busy machine the first attach is late."""
    causes = [said["event"]["cause"] for said in house.events(call_id, type="observer.gap")]
    return causes[1:] if causes[:1] == ["attach_late"] else causes


def words(house: House, call_id: str) -> list[bool]:
    """The last words of earlier holders: whether they had heard everything until they left."""
    late = [note["event"]["whole"] for note in house.events(call_id, type="observer.late")]
    return [whole for whole in late if whole is not None]


def holders(house: House, call_id: str) -> list[tuple[str, int]]:
    attached = house.events(call_id, type="observer.attached")
    return [(said["event"]["node"], said["event"]["epoch"]) for said in attached]


def node_of(observer: Process) -> str:
    def look() -> Any:
        lines = (json.loads(line) for line in observer.said().splitlines() if "node_joined" in line)
        return next((line["node"] for line in lines), None)

    return str(until(look, "the observer's node"))


def one_call(house: House, player: Player, attaches: int) -> tuple[str, Scenario]:
    scenario = player.expect(Scenario([Attach(frames=[SPEECH]) for _ in range(attaches)]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)
    return call_id, scenario


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
    house = empty_house
    first = house.start_observer()
    house.ready()
    call_id, scenario = one_call(house, player, attaches=2)
    player.say(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the first event")
    second = house.start_observer()
    node_of(second)
    first.stop(signal.SIGKILL)
    house.observers.remove(first)
    until(lambda: len(scenario.dialled) == 2, "the second observer's dial")
    player.say(scenario, event(2))
    until(lambda: heard(house, call_id) == ["event_1", "event_2"], "the second event")
    assert gaps(house, call_id) == ["taken_over"]
    assert [epoch for _, epoch in holders(house, call_id)] == [1, 2]
    until(lambda: "node_buried" in second.said(), "the burial")
    assert list(house.locks.glob("node_*")) == [house.locks / f"{node_of(second)}.lock"]
    house.hang_up(call_id)
    house.ended(call_id)


def test_whoever_takes_over_a_long_call_goes_on_from_the_numbers_of_the_one_before(
    empty_house: House, player: Player
) -> None:
    """Shown by numbers that nobody could read from the log."""
    house = empty_house
    first = house.start_observer()
    house.ready()
    scenario = player.expect(Scenario([Attach(), Attach()]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)
    said, first_part = [line.raw.decode() for line in call_of(13).sent], len(call_of(12).sent)
    player.say(scenario, *said[:first_part])
    with contextlib.closing(Store(house.environ["DATABASE_URL"])) as store:
        until(lambda: row_of(store, call_id).carried, "what the next holder goes on from")
        first.stop(signal.SIGKILL)
        house.observers.remove(first)
        packed = json.loads(str(row_of(store, call_id).carried))
        packed["conversation"]["errors"] += 1_000
        with store.writing() as db:
            db.execute(update(calls).where(calls.c.call_id == call_id).values(carried=json.dumps(packed)))
        house.start_observer()
        until(lambda: len(scenario.dialled) == 2, "the second observer's dial")
        player.say(scenario, *said[first_part:])
        until(lambda: len(house.events(call_id, type="response.done")) == 13, "the last answer")
        house.hang_up(call_id)
        house.ended(call_id)
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
    house = empty_house
    first = house.start_observer()
    house.ready()
    call_id, scenario = one_call(house, player, attaches=2)
    second = house.start_observer()
    node_of(second)
    first.child.send_signal(signal.SIGSTOP)
    player.say(scenario, event(1))  # waits in the socket of the paused one
    until(lambda: len(scenario.dialled) == 2, "the second observer's dial")
    until(lambda: len(holders(house, call_id)) == 2, "the second observer")
    player.say_to_all(scenario, event(2))
    until(lambda: heard(house, call_id) == ["event_2"], "the second event")
    first.child.send_signal(signal.SIGCONT)
    until(lambda: "call_lost_to_another_node" in first.said(), "the first observer's insight")
    until(lambda: heard(house, call_id) == ["event_2", "event_1"], "the event that came late")
    until(lambda: words(house, call_id)[-1:] == [True], "its last word")
    late = [note["event"] for note in house.events(call_id, type="observer.late")]
    assert {note["node"] for note in late} == {node_of(first)}
    assert (sum(note["events"] for note in late), sum(note["known"] for note in late)) == (1, 1)
    assert [epoch for _, epoch in holders(house, call_id)] == [1, 2]
    house.hang_up(call_id)
    house.ended(call_id)


def test_an_owner_whose_socket_was_given_to_another_does_not_take_it_back(
    empty_house: House, player: Player
) -> None:
    """Where a call may have one sideband only, two who both dialled again would throw each other out for ever."""
    house = empty_house
    first = house.start_observer()
    house.ready()
    scenario = player.expect(Scenario([Attach(frames=[SPEECH]), *[Attach(replaces=True) for _ in range(9)]]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)
    node_of(house.start_observer())
    first.child.send_signal(signal.SIGSTOP)
    until(lambda: len(holders(house, call_id)) == 2, "the second observer")
    first.child.send_signal(signal.SIGCONT)
    until(lambda: "call_lost_to_another_node" in first.said(), "the first observer's insight")
    until(lambda: words(house, call_id), "its last word")
    player.say(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    assert [epoch for _, epoch in holders(house, call_id)] == [1, 2]
    assert scenario.dialled == ["101", "101"]
    house.hang_up(call_id)
    house.ended(call_id)


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


IN_DOUBT = """
import sys
from call_log.store import StoreUnavailable
from observer import writer
from observer.__main__ import main
running, answered = writer.Writer.run, []
async def run(self, statement):
    result = await running(self, statement)
    found = any(result) if type(result) is tuple else result
    if {name!r} in repr(statement) and found and not answered:
        answered.append(result)
        sys.stderr.write("an answer was lost\\n")
        raise StoreUnavailable("the answer to this commit was lost")
    return result
writer.Writer.run = run
main()
"""


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
