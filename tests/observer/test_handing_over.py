"""How a holder that is told to stop hands its calls over: while both listen, where the upstream allows it; and what is
said, hung up, lost or in doubt in that moment."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path

import pytest

from tests.crash_points import OBSERVER
from tests.observer.test_sideband import OFFER, SPEECH
from tests.observer.test_succession import IN_DOUBT, event, gaps, heard, holders, node_of, one_call, words
from tests.player import Attach, Player, Scenario
from tests.processes import House, until


def test_an_observer_that_is_told_to_stop_hands_its_calls_over_without_a_gap(
    empty_house: House, player: Player
) -> None:
    """The heir is attached before the holder has gone: what is said meanwhile is in the log once. What the holder had
    heard and not yet written comes late."""
    house = empty_house
    first = house.start_observer()
    house.ready()
    call_id, scenario = one_call(house, player, attaches=2)
    player.say(scenario, event(1))
    second = house.start_observer()
    node_of(second)
    numbers = itertools.count(2)
    first.child.send_signal(signal.SIGTERM)

    def talk_until_handed_over() -> bool:
        player.say_to_all(scenario, event(next(numbers)))
        return [epoch for _, epoch in holders(house, call_id)] == [1, 2]

    until(talk_until_handed_over, "the hand-over")
    assert first.child.wait(20) == 0  # a second signal could find it past its last handler
    house.observers.remove(first)
    last = next(numbers)
    player.say_to_all(scenario, event(last))
    said = [f"event_{number}" for number in range(1, last + 1)]
    until(lambda: set(heard(house, call_id)) == set(said), "each event")
    assert sorted(heard(house, call_id)) == sorted(said), "once"
    late = sum(note["event"]["events"] for note in house.events(call_id, type="observer.late"))
    assert heard(house, call_id) == said or late
    assert (gaps(house, call_id), words(house, call_id)) == ([], [True])
    house.hang_up(call_id)
    house.ended(call_id)


HURRIES = (
    "from observer.__main__ import main; from observer.limits import Limits; main(Limits(last_word=0.5))"
)


def test_a_holder_that_dies_before_its_last_word_leaves_a_gap_at_its_place(
    empty_house: House, player: Player
) -> None:
    """It is killed between the adoption and its word: what it had heard and not written is gone."""
    house = empty_house
    dying = house.start_observer("-c", OBSERVER.format(name="told to stop, and said so"))
    house.ready()
    call_id, scenario = one_call(house, player, attaches=2)
    player.say(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the first event")
    node_of(house.start_observer("-c", HURRIES))
    dying.child.send_signal(signal.SIGTERM)
    assert dying.child.wait(20) == -signal.SIGKILL
    house.observers.remove(dying)
    until(lambda: [epoch for _, epoch in holders(house, call_id)] == [1, 2], "the next observer")
    until(lambda: gaps(house, call_id), "the gap")
    assert words(house, call_id) == []
    house.hang_up(call_id)
    house.ended(call_id)


HAS_ITS_WORD_WHEN_TOLD = """
import asyncio, pathlib
from observer.__main__ import main
from observer.limits import Limits
from observer.observed_call import ObservedCall
say = ObservedCall._say_the_last_word
async def when_told(self):
    while not pathlib.Path({path!r}).exists():
        await asyncio.sleep(0.01)
    await say(self)
ObservedCall._say_the_last_word = when_told
main(Limits(last_word=3.0))
"""


@pytest.mark.parametrize(
    ("how", "marked"),
    [
        ("hands over", ["handed_over"]),
        ("hands over, and dies", ["handed_over", "handed_over"]),
        ("leaves", ["handed_over", "handed_over"]),
        ("dies", ["handed_over", "taken_over"]),
    ],
    ids=["hands over", "hands over, and dies", "leaves", "dies"],
)
def test_what_may_be_missing_since_the_holder_before_the_last_one_is_marked(
    empty_house: House, player: Player, tmp_path: Path, how: str, marked: list[str]
) -> None:
    """The second observer has no word of the first one yet when the third comes: whatever becomes of the second, and
    whatever the first one says to the third, one gap is where these two changed."""
    house, told, never = empty_house, tmp_path / "told", tmp_path / "never"
    first = house.start_observer("-c", HAS_ITS_WORD_WHEN_TOLD.format(path=str(told)))
    house.ready()
    call_id, _ = one_call(house, player, attaches=3)
    says_nothing = ("-c", HAS_ITS_WORD_WHEN_TOLD.format(path=str(never)))
    second = house.start_observer(*(says_nothing if how == "hands over, and dies" else ()))
    node_of(second)
    first.child.send_signal(signal.SIGTERM)
    until(lambda: [epoch for _, epoch in holders(house, call_id)] == [1, 2], "the second observer")
    if "hands over" not in how:
        first.stop(signal.SIGKILL)
        second.stop(signal.SIGKILL if how == "dies" else signal.SIGTERM)
    node_of(house.start_observer(*says_nothing))
    second.child.send_signal(signal.SIGTERM)
    until(lambda: [epoch for _, epoch in holders(house, call_id)] == [1, 2, 3], "the third observer")
    if how == "hands over, and dies":
        second.stop(signal.SIGKILL)
        told.touch()
    if "hands over" in how:
        until(lambda: words(house, call_id) == [True], "a word of the first one, or of the second")
    for gone in (first, second):
        gone.stop(signal.SIGKILL)
        house.observers.remove(gone)
    until(lambda: sorted(gaps(house, call_id)) == marked, "the gaps")
    house.hang_up(call_id)
    house.ended(call_id)


DOES_NOT_HEAR_OF = """
import asyncio
from observer import observed_call, succession
from observer.__main__ import main
from observer.limits import Limits
take = observed_call.ObservedCall.take
def deaf(self, message):
    if message.kind != "hang_up":
        take(self, message)
async def patient(line, following):
    pass
if "wishes" in {what!r}:
    observed_call.ObservedCall.take = deaf
if "heirs" in {what!r}:
    succession._let_go_of_adopted = patient
write_end = observed_call.ObservedCall._write_end
async def slowly(self, end):
    await asyncio.sleep(2)
    await write_end(self, end)
if "end" in {what!r}:
    observed_call.ObservedCall._write_end = slowly
main(Limits(settling=2.0))
"""
"""A holder that meets what happens in the moment after it has looked."""


ADOPTS_WHEN_TOLD = """
import asyncio, pathlib
from observer import succession
from observer.__main__ import main
adopt = succession._adopt
async def when_told(*known):
    while not pathlib.Path({path!r}).exists():
        await asyncio.sleep(0.01)
    return await adopt(*known)
succession._adopt = when_told
main()
"""


@pytest.mark.parametrize(
    ("second", "what", "cause"),
    [
        (Attach(), "wishes", []),
        (Attach(), "wishes, heirs", []),
        (Attach(409), "wishes, heirs", []),
        (Attach(409), "end, heirs", []),
        (Attach(409), "wishes", ["handed_over"]),
    ],
    ids=[
        "attached",
        "attached, it ends before it is left",
        "it ends before",
        "ended by the holder",
        "left before",
    ],
)
def test_a_call_that_is_hung_up_while_it_changes_hands_was_heard_until_its_holder_left(
    empty_house: House, player: Player, tmp_path: Path, second: Attach, what: str, cause: list[str]
) -> None:
    house, told = empty_house, tmp_path / "told"
    first = house.start_observer("-c", DOES_NOT_HEAR_OF.format(what=what))
    house.ready()
    scenario = player.expect(Scenario([Attach(frames=[SPEECH]), second], hangups=[503]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)
    node_of(house.start_observer("-c", ADOPTS_WHEN_TOLD.format(path=str(told))))
    first.child.send_signal(signal.SIGTERM)
    until(lambda: len(scenario.dialled) == 2, "the heir's dial")
    house.hang_up(call_id)
    if "end" in what:
        until(lambda: scenario.hung_up, "the holder's hang-up")
    told.touch()
    assert house.ended(call_id)["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
    assert False not in words(house, call_id)
    assert gaps(house, call_id) == cause
    assert first.child.wait(20) == 0
    house.observers.remove(first)


@pytest.mark.parametrize("is_written", [True, False])
def test_a_caller_who_leaves_while_the_call_changes_hands_was_heard_to_the_end(
    empty_house: House, player: Player, tmp_path: Path, is_written: bool
) -> None:
    """The holder saw the line close, and wrote it, or may have been nobody by then; the heir never had a sideband."""
    house, told = empty_house, tmp_path / "told"
    first = house.start_observer("-c", DOES_NOT_HEAR_OF.format(what="heirs"))
    house.ready()
    scenario = player.expect(Scenario([Attach(frames=[SPEECH]), Attach(409)]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)
    node_of(house.start_observer("-c", ADOPTS_WHEN_TOLD.format(path=str(told))))
    first.child.send_signal(signal.SIGTERM)
    until(lambda: len(scenario.dialled) == 2, "the heir's dial")
    player.end(scenario)
    if is_written:
        until(lambda: house.events(call_id, type="observer.detached"), "the holder's farewell")
    told.touch()
    assert house.ended(call_id)["end"] == {"reason": "caller_hung_up", "certainty": "inferred"}
    assert gaps(house, call_id) == []
    assert first.child.wait(20) == 0
    house.observers.remove(first)


def test_an_observer_that_stops_alone_leaves_its_calls_to_the_next_one(
    empty_house: House, player: Player
) -> None:
    house = empty_house
    first = house.start_observer()
    house.ready()
    call_id, scenario = one_call(house, player, attaches=2)
    assert first.stop() == 0
    house.observers.remove(first)
    house.start_observer()
    until(lambda: len(scenario.dialled) == 2, "the second observer's dial")
    until(lambda: gaps(house, call_id) == ["handed_over"], "the gap")
    house.hang_up(call_id)
    house.ended(call_id)


def test_who_leaves_a_call_that_may_have_one_sideband_only_does_not_throw_its_heir_out(
    empty_house: House, player: Player, tmp_path: Path
) -> None:
    house, told = empty_house, tmp_path / "told"
    first = house.start_observer()
    house.ready()
    scenario = player.expect(Scenario([Attach(frames=[SPEECH]), *[Attach(replaces=True) for _ in range(9)]]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)
    node_of(house.start_observer("-c", ADOPTS_WHEN_TOLD.format(path=str(told))))
    first.child.send_signal(signal.SIGTERM)
    until(lambda: first.child.poll() is not None or len(scenario.dialled) > 2, "the first one's leaving")
    told.touch()
    until(lambda: [epoch for _, epoch in holders(house, call_id)] == [1, 2], "the next observer")
    player.say_to_all(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    assert set(gaps(house, call_id)) <= {"handed_over"}
    assert first.child.wait(20) == 0
    house.observers.remove(first)
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_call_whose_adoption_was_committed_without_an_answer_is_followed_all_the_same(
    empty_house: House, player: Player
) -> None:
    house = empty_house
    first = house.start_observer()
    house.ready()
    call_id, scenario = one_call(house, player, attaches=3)
    second = house.start_observer("-c", IN_DOUBT.format(name="_adopt.<locals>"))
    node_of(second)
    assert first.stop() == 0
    house.observers.remove(first)
    until(lambda: [epoch for _, epoch in holders(house, call_id)] == [1, 2], "the next holder")
    assert "an answer was lost" in second.said()
    player.say_to_all(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    house.hang_up(call_id)
    house.ended(call_id)


ADOPTS_SLOWLY = """
import asyncio
from observer import node, succession
from observer.__main__ import main
left, serve_once = succession._left, node.Node._serve_once
async def slowly(*known):
    await asyncio.sleep(1)
    return await left(*known)
async def in_doubt(self, waiting):
    self._in_doubt = True
    await serve_once(self, waiting)
succession._left, node.Node._serve_once = slowly, in_doubt
main()
"""


def test_a_call_that_is_being_adopted_is_not_followed_twice_by_a_node_that_is_in_doubt(
    empty_house: House, player: Player
) -> None:
    """It would dial, and write as the same holder, a second time."""
    house = empty_house
    first = house.start_observer()
    house.ready()
    call_id, scenario = one_call(house, player, attaches=3)
    node_of(house.start_observer("-c", ADOPTS_SLOWLY))
    assert first.stop() == 0
    house.observers.remove(first)
    until(lambda: [epoch for _, epoch in holders(house, call_id)] == [1, 2], "the adoption")
    player.say_to_all(scenario, event(1))
    until(lambda: heard(house, call_id) == ["event_1"], "the event")
    assert len(scenario.dialled) == 2
    assert [epoch for _, epoch in holders(house, call_id)] == [1, 2]
    house.hang_up(call_id)
    house.ended(call_id)


SAYS_WHAT_IT_KEEPS = """
import sys
from observer.__main__ import main
from observer.observed_call import ObservedCall
attached = ObservedCall._attached
async def told(self, *how, **more):
    sys.stderr.write(f"kept of what was left: {self._left}\\n")
    return await attached(self, *how, **more)
ObservedCall._attached = told
main()
"""


def test_an_heir_does_not_keep_the_log_that_it_has_read(empty_house: House, player: Player) -> None:
    """It may be two hundred events of 16 MiB, of each call."""
    house = empty_house
    first = house.start_observer()
    house.ready()
    call_id, _ = one_call(house, player, attaches=2)
    second = house.start_observer("-c", SAYS_WHAT_IT_KEEPS)
    node_of(second)
    assert first.stop() == 0
    house.observers.remove(first)
    until(lambda: "kept of what was left" in second.said(), "the heir's sideband")
    assert "kept of what was left: None" in second.said()
    house.hang_up(call_id)
    house.ended(call_id)
