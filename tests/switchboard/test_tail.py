"""Following a call: until its last line, and through a web that is away for a while."""

from __future__ import annotations

from typing import Any, cast

import pytest

from switchboard.service import Service, Trouble
from switchboard.tail import AWAY_LONGEST_SECONDS, SETTLING_SECONDS, follow

AWAY, GONE = Trouble("nothing answers", passing=True), Trouble("no such call")


class Answers:
    """What the API answers, one after the other; the last for ever."""

    def __init__(self, *answers: Trouble | tuple[list[int], str]) -> None:
        self.left, self.asked, self.slept = list(answers), list[int](), 0.0

    def get(self, path: str, *, after: int, limit: int) -> dict[str, Any]:
        self.asked.append(after)
        answer = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(answer, Trouble):
            raise answer
        seqs, state = answer
        return {
            "events": [{"seq": seq} for seq in seqs],
            "next_after": seqs[-1] if seqs else after,
            "state": state,
        }

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def followed(self) -> list[int]:
        return [event["seq"] for event in follow(cast(Service, self), "call_1", 3, self.sleep)]


def test_it_waits_for_the_last_lines_of_a_call_that_is_over() -> None:
    answers = Answers(([4, 5], "observed"), ([], "ended"), ([6], "ended"), ([], "ended"))
    assert answers.followed() == [4, 5, 6]
    assert answers.asked[:4] == [3, 5, 5, 6]
    assert SETTLING_SECONDS <= answers.slept < 3 * SETTLING_SECONDS


def test_it_reads_on_at_once_where_a_page_is_full() -> None:
    answers = Answers((list(range(4, 504)), "ended"), ([], "ended"))
    assert len(answers.followed()) == 500
    assert answers.slept < 2 * SETTLING_SECONDS


def test_a_web_that_is_started_anew_loses_nothing() -> None:
    assert Answers(AWAY, ([4], "observed"), AWAY, AWAY, ([5], "ended"), ([], "ended")).followed() == [4, 5]


def test_it_gives_up_on_one_that_stays_away_and_at_once_on_one_that_says_no() -> None:
    away, gone = Answers(AWAY), Answers(GONE)
    for answers in (away, gone):
        with pytest.raises(Trouble):
            answers.followed()
    assert (away.slept, gone.slept) == (AWAY_LONGEST_SECONDS, 0.0)
