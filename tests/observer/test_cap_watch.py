"""Decisions about the limits of one call, with a clock that only the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from observer.caps import CapWatch
from observer.ending import Wish
from observer.limits import Limits
from observer.recollection import NEAR
from realtime.caps import Caps, Tally

WALL = 1_795_000_000_000
PATIENCE = 30.0


@dataclass
class Scene:
    """A call and everything that its watch sees and does. `now`: seconds of the monotonic clock."""

    caps: dict[str, Any]
    last_seq: int = 0
    answered_before: float = 0.0
    now: float = 1_000.0
    wall: int = WALL
    tally: Tally = field(default_factory=Tally)
    quiet: int = 0
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recollection = SimpleNamespace(
            is_whole=True,
            marks=set(),
            spent_written=0,
            folded_seq=self.last_seq,
            tally=lambda: self.tally,
            quiet_ms=lambda now, since: self.quiet,
        )
        self.record = SimpleNamespace(
            recollection=self.recollection,
            last_seq=self.last_seq,
            hung_up_for=None,
            clock=lambda: self.wall,
            note=lambda type, **facts: self.notes.append((type, facts)),
        )
        answered_at = self.wall - round(self.answered_before * 1000)
        call = SimpleNamespace(
            call_id="c",
            profile="p",
            caller="ada",
            last_seq=self.last_seq,
            answered_at=answered_at,
            created_at=WALL,
        )
        profile = SimpleNamespace(limits=Caps.read("p", self.caps))
        line = SimpleNamespace(
            profiles=SimpleNamespace(get=lambda name: profile), limits=Limits(uncounted=PATIENCE)
        )
        commands = SimpleNamespace(
            ask=lambda asked, by, command_id: self.asked.append((command_id, {"by": by, **asked}))
        )
        self.watch = CapWatch(
            cast(Any, call),
            cast(Any, line),
            cast(Any, self.record),
            cast(Any, commands),
            self.wishes.append,
            lambda: self.now,
        )

    def look(self, after: float = 0.0) -> str | None:
        """Look so many seconds later; the reason for which the call is to end, if it is."""
        self.now += after
        self.watch.look()
        return self.wishes[-1].reason if self.wishes else None

    def hear(self, type: str) -> None:
        self.watch.hear({"type": type})


def test_a_duration_counts_from_the_answer_and_not_from_the_holders_beginning() -> None:
    scene = Scene({"duration": 600}, last_seq=9, answered_before=400)
    assert scene.look(199) is None
    assert scene.look(1) == "policy_duration"
    assert [type for type, _ in scene.notes] == [NEAR, "observer.limit_reached"]
    assert [one for one, _ in scene.asked] == ["wrap_up_duration"]
    scene.look(1)
    assert len(scene.wishes) == 1 and len(scene.notes) == 2


@pytest.mark.parametrize("jump_hours", [-24, -1, 1, 24])
def test_a_wall_clock_that_jumps_neither_ends_a_call_nor_spares_it(jump_hours: int) -> None:
    scene = Scene({"duration": 600, "idle": 300})
    scene.wall += jump_hours * 3_600_000
    assert scene.look(299) is None
    scene.hear("response.created")
    scene.hear("response.done")
    assert scene.look(299.5) is None
    assert scene.look(0.5) == "policy_idle"


def test_silence_is_what_the_last_holder_heard_as_well() -> None:
    scene = Scene({"idle": 60}, last_seq=9, answered_before=500)
    scene.recollection.is_whole = False
    assert scene.look(10) is None
    scene.recollection.is_whole, scene.quiet = True, 50_000
    assert scene.look() is None
    assert scene.look(9.9) is None
    assert scene.look(0.1) == "policy_idle"


def test_what_was_heard_here_is_better_than_what_is_remembered() -> None:
    scene = Scene({"idle": 60}, last_seq=9, answered_before=500)
    scene.recollection.is_whole, scene.quiet = False, 55_000
    scene.hear("input_audio_buffer.speech_started")
    scene.hear("input_audio_buffer.speech_stopped")
    scene.recollection.is_whole = True
    assert scene.look(59) is None
    assert scene.look(1) == "policy_idle"


@pytest.mark.parametrize(
    ("limit", "cap", "tally", "reason"),
    [
        ("turns", 3, [Tally(turns=2), Tally(turns=3), Tally(turns=4)], "policy_turns"),
        ("tool_calls", 3, [Tally(tool_calls=2), Tally(tool_calls=3), Tally(tool_calls=4)], "policy_tools"),
        ("spend", 0.01, [Tally(spent=9_999), Tally(spent=9_999), Tally(spent=10_000)], "policy_spend"),
    ],
)
def test_what_is_used_ends_the_call(limit: str, cap: float, tally: list[Tally], reason: str) -> None:
    scene = Scene({limit: cap})
    for used, wanted in zip(tally, (None, None, reason), strict=True):
        scene.tally = used
        assert scene.look(1) == wanted


def test_an_amount_that_has_no_price_ends_the_call() -> None:
    scene = Scene({"spend": 100})
    scene.tally = Tally(spent=1, is_priced=False)
    assert scene.look(1) == "policy_spend"
    assert scene.notes[-1] == ("observer.limit_reached", {"limit": "spend", "cap": 100_000_000, "used": None})


def test_what_can_not_be_counted_for_long_counts_as_spent() -> None:
    scene = Scene({"spend": 100}, last_seq=10)
    scene.record.last_seq, scene.recollection.folded_seq = 20, 9
    assert scene.look(PATIENCE) is None
    scene.recollection.folded_seq = 20
    assert scene.look(1) is None
    scene.record.last_seq = 30
    assert scene.look(1) is None
    assert scene.look(PATIENCE) is None
    assert scene.look(0.1) == "policy_spend"


def test_others_limits_outlive_an_outage_of_the_store() -> None:
    scene = Scene({"turns": 5}, last_seq=10)
    scene.record.last_seq = 20
    assert scene.look(10 * PATIENCE) is None


def test_a_day_is_the_sum_of_the_store_and_what_is_not_written_yet() -> None:
    scene = Scene({"spend_per_day": 1})
    scene.watch.day_spent(900_000)
    scene.recollection.spent_written, scene.tally = 50_000, Tally(spent=149_999)
    assert scene.look(1) is None
    scene.tally = Tally(spent=150_000)
    assert scene.look(1) == "policy_spend"
    assert scene.watch.day == ("ada", WALL // 86_400_000)


def test_a_day_that_nobody_tells_of_for_long_counts_as_used_up() -> None:
    scene = Scene({"spend_per_day": 1})
    assert scene.look(PATIENCE) is None
    scene.watch.day_spent(0)
    assert scene.look(PATIENCE) is None
    assert scene.look(0.1) == "policy_spend"


def test_nothing_is_said_twice_and_nothing_before_all_is_known() -> None:
    scene = Scene({"turns": 10, "tool_calls": 10}, last_seq=50, answered_before=60)
    scene.tally = Tally(turns=9, tool_calls=9)
    scene.recollection.is_whole = False
    scene.look(1)
    assert scene.notes == scene.asked == []
    scene.recollection.is_whole = True
    scene.recollection.marks = {"wrap_up_turns", f"{NEAR}:turns"}
    scene.look(1)
    scene.look(1)
    assert [(type, facts["limit"]) for type, facts in scene.notes] == [(NEAR, "tool_calls")]
    assert [(one, said["by"], said["type"]) for one, said in scene.asked] == [
        ("wrap_up_tool_calls", "limits", "whisper")
    ]
