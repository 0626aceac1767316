"""The collector of garbage is kept from what was there at the start, and not from what comes later."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from observer.allocation import CallsOver
from tests.observer.scenes import OFFER
from tests.player import Attach, Player, Scenario
from tests.processes import ROOT, House, until

GARBAGE = """
import gc, weakref
from observer.allocation import collect_seldom
class Call: pass
old = Call()
collect_seldom()
new = Call()
new.itself, gone = new, weakref.ref(new)
del new
many = [[] for _ in range(200_000)]
print(gone() is None, gc.get_freeze_count() > 1_000, any(one is old for one in gc.get_objects()))
"""


def test_what_was_there_at_the_start_is_not_looked_at_again_and_later_garbage_is_collected() -> None:
    said = subprocess.run(
        [sys.executable, "-c", GARBAGE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["True", "True", "False"]


class Ring:
    """Something that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize(("going_on", "ends"), [(0, 3), (3, 3), (5, 5)])
def test_what_calls_leave_is_collected_once_as_many_are_over_as_go_on(going_on: int, ends: int) -> None:
    over, gone = CallsOver(least=3), weakref.ref(Ring())
    gc.disable()
    try:
        for _ in range(2):
            gone = weakref.ref(Ring())
            for _ in range(ends - 1):
                over.add(going_on)
            assert gone() is not None
            over.add(going_on)
            assert gone() is None
    finally:
        gc.enable()


KEEPER = """
import gc, threading, time
from observer import allocation
from observer.__main__ import main
from observer.observed_call import ObservedCall
gc.disable()
allocation.CallsOver.__init__.__defaults__ = (3,)
def look():
    while True:
        time.sleep(0.1)
        print("in memory", sum(type(one) is ObservedCall for one in gc.get_objects()), flush=True)
threading.Thread(target=look, daemon=True).start()
main()
"""


@pytest.fixture
def own_house(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "house", player.url)
    yield built
    built.stop()


def test_an_observer_does_not_keep_the_calls_that_are_over(own_house: House, player: Player) -> None:
    """Its collector looks at nothing by itself here."""
    house = own_house
    observer = house.start_observer("-c", KEEPER)
    house.start_web()
    house.ready()
    for number in range(1, 7):
        player.expect(Scenario([Attach(close=(1000, ""))]))
        house.ended(str(house.connect(OFFER).headers["X-Call-Id"]))
        if number == 2:
            until(lambda: "in memory 2" in observer.said(), "the calls in memory")
    # The task of the last one still knows it while it collects.
    until(lambda: observer.said().rpartition("in memory ")[2][:2].strip() in ("0", "1"), "an empty memory")
