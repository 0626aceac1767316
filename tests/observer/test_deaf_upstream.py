"""An upstream that reads nothing any more of what it is told, and goes on speaking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observer.scenes import SPEECH, open_call
from tests.player import Attach, Player
from tests.processes import House, until

IMPATIENT = "from observer.__main__ import main; from observer.limits import Limits; main(Limits(send=0.5))"
LONG = {"type": "whisper", "text": "é" * 8_000}


@pytest.fixture
def own_house(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "impatient", player.url)
    built.start_observer("-c", IMPATIENT)
    built.start_web()
    built.ready()
    yield built
    built.stop()


def test_what_it_does_not_take_is_unknown_and_it_is_heard_all_the_same(
    own_house: House, player: Player
) -> None:
    house = own_house
    call_id, scenario = open_call(house, player, Attach(frames=[SPEECH], deaf=True))
    house.observed(call_id)

    def not_taken() -> bool:
        answer = house.command(call_id, LONG)
        assert answer.status_code == 202, answer.text
        noted = house.events(call_id, type="observer.command")
        return ("unknown", "not_taken") in [(one["event"]["state"], one["event"]["code"]) for one in noted]

    until(not_taken, "the command that does not fit into the socket any more")
    player.say(scenario, json.dumps({"type": "rate_limits.updated", "event_id": "x1", "rate_limits": []}))
    until(lambda: house.events(call_id, type="rate_limits.updated"), "the event")
    assert house.call(call_id)["state"] == "observed"
    house.hang_up(call_id)
    house.ended(call_id)
