"""How a holder that is told to stop hands its calls over: while both listen, where the upstream allows it; and what is
said, hung up, lost or in doubt in that moment."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path

import pytest

from tests.crash_points import OBSERVER
from tests.observer.scenes import IN_DOUBT, SPEECH, Held, one_sideband_only
from tests.player import Attach, Player, Scenario
from tests.processes import House, until


def test_an_observer_that_is_told_to_stop_hands_its_calls_over_without_a_gap(
    empty_house: House, player: Player
) -> None:
    """The heir is attached before the holder has gone: what is said meanwhile is in the log once. What the holder had
    heard and not yet written comes late."""
    held = Held.by(empty_house, player)
    held.say(1)
    held.another()
    numbers = itertools.count(2)
    held.tell_to_stop()

    def talk_until_handed_over() -> bool:
        held.say(next(numbers))
        return held.epochs() == [1, 2]

    until(talk_until_handed_over, "the hand-over")
    held.is_gone()
    last = next(numbers)
    held.say(last)
    said = [f"event_{number}" for number in range(1, last + 1)]
    until(lambda: set(held.heard()) == set(said), "each event")
    assert sorted(held.heard()) == sorted(said), "once"
    late = sum(note["event"]["events"] for note in empty_house.events(held.call_id, type="observer.late"))
    assert held.heard() == said or late
    assert (held.gaps(), held.words()) == ([], [True])
    held.end()


HURRIES = (
    "from observer.__main__ import main; from observer.limits import Limits; main(Limits(last_word=0.5))"
)


def test_a_holder_that_dies_before_its_last_word_leaves_a_gap_at_its_place(
    empty_house: House, player: Player
) -> None:
    """It is killed between the adoption and its word: what it had heard and not written is gone."""
    held = Held.by(empty_house, player, "-c", OBSERVER.format(name="told to stop, and said so"))
    held.say(1)
    held.has_heard(1)
    held.another("-c", HURRIES)
    held.tell_to_stop()
    held.is_gone(-signal.SIGKILL)
    held.changed_hands()
    until(held.gaps, "the gap")
    assert held.words() == []
    held.end()


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
    told, says_nothing = (
        tmp_path / "told",
        ("-c", HAS_ITS_WORD_WHEN_TOLD.format(path=str(tmp_path / "never"))),
    )
    held = Held.by(empty_house, player, "-c", HAS_ITS_WORD_WHEN_TOLD.format(path=str(told)), attaches=3)
    second = held.another(*(says_nothing if how == "hands over, and dies" else ()))
    held.tell_to_stop()
    held.changed_hands()
    if "hands over" not in how:
        held.first.stop(signal.SIGKILL)
        second.stop(signal.SIGKILL if how == "dies" else signal.SIGTERM)
    held.another(*says_nothing)
    second.child.send_signal(signal.SIGTERM)
    held.changed_hands(2)
    if how == "hands over, and dies":
        second.stop(signal.SIGKILL)
        told.touch()
    if "hands over" in how:
        until(lambda: held.words() == [True], "a word of the first one, or of the second")
    held.kill(held.first, second)
    until(lambda: sorted(held.gaps()) == marked, "the gaps")
    held.end()


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
    told, attaches = tmp_path / "told", Scenario([Attach(frames=[SPEECH]), second], hangups=[503])
    held = Held.by(empty_house, player, "-c", DOES_NOT_HEAR_OF.format(what=what), attaches=attaches)
    held.another("-c", ADOPTS_WHEN_TOLD.format(path=str(told)))
    held.tell_to_stop()
    held.was_dialled(2)
    empty_house.hang_up(held.call_id)
    if "end" in what:
        until(lambda: held.scenario.hung_up, "the holder's hang-up")
    told.touch()
    assert empty_house.ended(held.call_id)["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
    assert False not in held.words()
    assert held.gaps() == cause
    held.is_gone()


@pytest.mark.parametrize("is_written", [True, False])
def test_a_caller_who_leaves_while_the_call_changes_hands_was_heard_to_the_end(
    empty_house: House, player: Player, tmp_path: Path, is_written: bool
) -> None:
    """The holder saw the line close, and wrote it, or may have been nobody by then; the heir never had a sideband."""
    told, attaches = tmp_path / "told", Scenario([Attach(frames=[SPEECH]), Attach(409)])
    held = Held.by(empty_house, player, "-c", DOES_NOT_HEAR_OF.format(what="heirs"), attaches=attaches)
    held.another("-c", ADOPTS_WHEN_TOLD.format(path=str(told)))
    held.tell_to_stop()
    held.was_dialled(2)
    player.end(held.scenario)
    if is_written:
        until(lambda: empty_house.events(held.call_id, type="observer.detached"), "the holder's farewell")
    told.touch()
    assert empty_house.ended(held.call_id)["end"] == {"reason": "caller_hung_up", "certainty": "inferred"}
    assert held.gaps() == []
    held.is_gone()


def test_an_observer_that_stops_alone_leaves_its_calls_to_the_next_one(
    empty_house: House, player: Player
) -> None:
    held = Held.by(empty_house, player)
    held.tell_to_stop()
    held.is_gone()
    held.another()
    held.was_dialled(2)
    until(lambda: held.gaps() == ["handed_over"], "the gap")
    held.end()


def test_who_leaves_a_call_that_may_have_one_sideband_only_does_not_throw_its_heir_out(
    empty_house: House, player: Player, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    held = Held.by(empty_house, player, attaches=one_sideband_only())
    held.another("-c", ADOPTS_WHEN_TOLD.format(path=str(told)))
    held.tell_to_stop()
    until(
        lambda: held.first.child.poll() is not None or len(held.scenario.dialled) > 2,
        "the first one's leaving",
    )
    told.touch()
    held.changed_hands()
    held.say(1)
    held.has_heard(1)
    assert set(held.gaps()) <= {"handed_over"}
    held.is_gone()
    held.end()


def test_a_call_whose_adoption_was_committed_without_an_answer_is_followed_all_the_same(
    empty_house: House, player: Player
) -> None:
    held = Held.by(empty_house, player, attaches=3)
    second = held.another("-c", IN_DOUBT.format(name="_adopt.<locals>"))
    held.tell_to_stop()
    held.is_gone()
    held.changed_hands()
    assert "an answer was lost" in second.said()
    held.say(1)
    held.has_heard(1)
    held.end()


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
    held = Held.by(empty_house, player, attaches=3)
    held.another("-c", ADOPTS_SLOWLY)
    held.tell_to_stop()
    held.is_gone()
    held.changed_hands()
    held.say(1)
    held.has_heard(1)
    assert len(held.scenario.dialled) == 2
    assert held.epochs() == [1, 2]
    held.end()


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
    held = Held.by(empty_house, player)
    second = held.another("-c", SAYS_WHAT_IT_KEEPS)
    held.tell_to_stop()
    held.is_gone()
    until(lambda: "kept of what was left" in second.said(), "the heir's sideband")
    assert "kept of what was left: None" in second.said()
    held.end()
