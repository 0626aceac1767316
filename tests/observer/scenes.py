"""What the tests of observers beside a player begin with, and what they look for in a call's log."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Any

from tests.player import Attach, Player, Scenario
from tests.processes import House, Process, until

OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
SPEECH = '{"type": "input_audio_buffer.speech_started", "event_id": "e1", "audio_start_ms": 0, "item_id": "item_1"}'


def open_call(
    house: House, player: Player, *attaches: Attach, hangups: list[int] | None = None
) -> tuple[str, Scenario]:
    scenario = player.expect(Scenario(list(attaches), hangups=hangups or []))
    answer = house.connect(OFFER)
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Call-Id"], scenario


def noted(house: House, call_id: str, type: str) -> list[dict[str, object]]:
    return [event["event"] for event in house.events(call_id, source="observer", type=type)]


def alarms(house: House, call_id: str) -> list[str]:
    """What its processes logged as errors about a call."""
    lines = [json.loads(line) for line in house.logs().splitlines() if call_id in line]
    return [line["event"] for line in lines if line["level"] == "error"]


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


def one_call(house: House, player: Player, attaches: int | Scenario) -> tuple[str, Scenario]:
    """A call that is observed; `attaches`: how many dials its upstream takes, or what it says to them."""
    if isinstance(attaches, int):
        attaches = Scenario([Attach(frames=[SPEECH]) for _ in range(attaches)])
    scenario = player.expect(attaches)
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)
    return call_id, scenario


def one_sideband_only() -> Scenario:
    """An upstream that closes a call's sideband when another one comes."""
    return Scenario([Attach(frames=[SPEECH]), *[Attach(replaces=True) for _ in range(9)]])


@dataclass
class Held:
    """A call of a house that had no observer: `first` holds it, and others may come."""

    house: House
    player: Player
    first: Process
    call_id: str
    scenario: Scenario

    @classmethod
    def by(cls, house: House, player: Player, *observer: str, attaches: int | Scenario = 2) -> Held:
        """`observer`: what is started instead of `-m observer`."""
        first = house.start_observer(*observer)
        house.ready()
        return cls(house, player, first, *one_call(house, player, attaches))

    def another(self, *observer: str) -> Process:
        """One more observer, once it has joined."""
        started = self.house.start_observer(*observer)
        node_of(started)
        return started

    def tell_to_stop(self) -> None:
        """Tell the first observer, and go on meanwhile."""
        self.first.child.send_signal(signal.SIGTERM)

    def is_gone(self, status: int = 0) -> None:
        """The first observer ends by itself, with this status: another signal could find it past its last handler."""
        assert self.first.child.wait(20) == status
        self.house.observers.remove(self.first)

    def kill(self, *observers: Process) -> None:
        """Kill them where they still live."""
        for observer in observers:
            observer.stop(signal.SIGKILL)
            self.house.observers.remove(observer)

    def say(self, number: int) -> None:
        """The upstream says an event on every sideband."""
        self.player.say_to_all(self.scenario, event(number))

    def heard(self) -> list[str]:
        return heard(self.house, self.call_id)

    def has_heard(self, *numbers: int) -> None:
        """Wait until just these events are in the log."""
        until(lambda: self.heard() == [f"event_{number}" for number in numbers], f"the events {numbers}")

    def was_dialled(self, times: int) -> None:
        """Wait for that many dials in all."""
        until(lambda: len(self.scenario.dialled) == times, f"dial {times}")

    def changed_hands(self, times: int = 1) -> None:
        """Wait until so many others have been attached since the first one."""
        until(lambda: self.epochs() == list(range(1, times + 2)), f"change of hands {times}")

    def epochs(self) -> list[int]:
        """Of the holders that were attached, in order."""
        return [epoch for _, epoch in holders(self.house, self.call_id)]

    def gaps(self) -> list[str]:
        return gaps(self.house, self.call_id)

    def words(self) -> list[bool]:
        return words(self.house, self.call_id)

    def end(self) -> None:
        self.house.hang_up(self.call_id)
        self.house.ended(self.call_id)


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
