"""An event loop that is stuck: it is told where, and a process that will not come back ends itself."""

from __future__ import annotations

from tests.observer.scenes import event, gaps, heard, holders, one_call
from tests.observer.test_outages import QUICK
from tests.player import Player
from tests.processes import House, until

STUCK = (
    "import asyncio, time; from observer.node import Node; from observer.__main__ import main; "
    "from observer.limits import Limits; join = Node._join\n"
    "async def stuck_later(node):\n"
    "    await join(node)\n"
    "    asyncio.get_running_loop().call_later(2.0, time.sleep, {seconds})\n"
    "Node._join = stuck_later\n"
    "main(Limits(blocked=6.0))"
)


def test_a_loop_that_is_blocked_for_a_while_is_told_of_and_goes_on(
    web_of_player: House, player: Player
) -> None:
    house = web_of_player
    observer = house.start_observer("-c", STUCK.format(seconds=4))
    house.ready()
    call_id, scenario = one_call(house, player, attaches=1)
    until(lambda: "event_loop_blocked" in observer.said(), "the alarm")
    assert "<string>:" in observer.said(), "where it is stuck"
    player.say(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    assert (gaps(house, call_id), len(holders(house, call_id))) == ([], 1)
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_loop_that_does_not_come_back_ends_its_process_and_another_goes_on(
    web_of_player: House, player: Player
) -> None:
    house = web_of_player
    observer = house.start_observer("-c", STUCK.format(seconds=600))
    house.ready()
    call_id, scenario = one_call(house, player, attaches=2)
    assert observer.child.wait(60) == 70
    assert "event_loop_stuck" in observer.said()
    house.observers.remove(observer)
    house.start_observer("-c", QUICK)
    until(lambda: [epoch for _, epoch in holders(house, call_id)] == [1, 2], "the next observer")
    player.say(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    house.hang_up(call_id)
    house.ended(call_id)
