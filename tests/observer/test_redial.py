"""How soon a lost sideband is dialled again."""

from __future__ import annotations

from observer.limits import Limits
from observer.redial import Redial


def test_at_once_then_ever_more_slowly_and_at_once_again_after_one_that_stood() -> None:
    redial = Redial(Limits(steady=10.0, slow_retry=15.0))
    assert redial.pause(stood=0.0) == 0.0
    pauses = [redial.pause(stood=9.9) for _ in range(10)]
    for pause, expected in zip(pauses, [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15, 15], strict=True):
        assert 0.75 * expected <= pause <= 1.25 * expected
    assert redial.pause(stood=10.0) == 0.0
    assert redial.pause(stood=0.0) > 0.0


def test_in_vain_once_the_upstream_was_ill_so_often_in_a_row() -> None:
    redial = Redial(Limits(steady=10.0, ill_at_most=3))
    for stood, was_ill in [(0.0, True), (1.0, True), (1.0, False), (1.0, True), (9.9, True), (10.0, True)]:
        redial.pause(stood, was_ill)
        assert not redial.is_in_vain
    for stood in (0.0, 5.0, 9.9):
        assert not redial.is_in_vain
        redial.pause(stood, was_ill=True)
    assert redial.is_in_vain
