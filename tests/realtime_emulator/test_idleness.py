"""Silence after an answer is counted from when the answer was heard, and told once."""

from realtime_emulator.idleness import Idleness


def wait(idleness: Idleness, since: int, until: int, answers: int = 1, **now: bool) -> list[tuple[int, int]]:
    """Each window from `since` on in which it said that the silence was too long, and since when."""
    state = {"speaking": False, "answering": False} | now
    heard = (
        (at, idleness.hear(at, state["speaking"], state["answering"], answers, 5000))
        for at in range(since, until, 32)
    )
    return [(at, start) for at, start in heard if start is not None]


def test_it_waits_from_the_end_of_the_answer() -> None:
    idleness = Idleness()
    assert wait(idleness, 0, 3200, answering=True) == []
    assert wait(idleness, 3200, 20_000) == [(8224, 3200)]


def test_before_the_first_answer_nobody_waits() -> None:
    assert wait(Idleness(), 0, 20_000, answers=0) == []


def test_an_answer_too_short_to_be_seen_counts() -> None:
    assert len(wait(Idleness(), 0, 20_000)) == 1


def test_whoever_speaks_is_not_asked_again_until_he_was_answered() -> None:
    idleness = Idleness()
    assert wait(idleness, 0, 3200) == []
    assert wait(idleness, 3200, 4000, speaking=True) == []
    assert wait(idleness, 4000, 20_000) == []
    assert len(wait(idleness, 20_000, 30_000, answers=2)) == 1


def test_without_a_limit_nobody_waits() -> None:
    idleness = Idleness()
    assert all(idleness.hear(at, False, False, 1, None) is None for at in range(0, 20_000, 32))
