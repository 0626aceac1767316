"""A clock that jumps erases nothing."""

from __future__ import annotations

import pytest

from observer.steady import DISTRUSTED_SECONDS, JUMP_SECONDS, SteadyClock


class Clocks:
    def __init__(self) -> None:
        self.ticked, self.set_by = 1_000.0, 0.0

    def tick(self, seconds: float) -> None:
        self.ticked += seconds

    def clock(self) -> SteadyClock:
        return SteadyClock(lambda: 1_800_000_000 + self.ticked + self.set_by, lambda: self.ticked)


def test_a_clock_that_ticks_is_trusted() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    for _ in range(100):
        clocks.tick(3_600)
        clocks.set_by += JUMP_SECONDS / 200  # it is kept right
        assert clock.can_be_trusted()


@pytest.mark.parametrize("jump", [3_600, -3_600, 86_400, -86_400, JUMP_SECONDS + 1])
def test_a_jump_is_waited_out_and_the_new_time_is_then_the_time(jump: float) -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clocks.set_by += jump
    assert not clock.can_be_trusted()
    clocks.tick(DISTRUSTED_SECONDS - 1)
    assert not clock.can_be_trusted()
    clocks.tick(1)
    assert clock.can_be_trusted()


def test_a_second_jump_begins_the_wait_anew() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clocks.set_by += 3_600
    assert not clock.can_be_trusted()
    clocks.tick(DISTRUSTED_SECONDS - 1)
    clocks.set_by -= 3_600
    assert not clock.can_be_trusted()
    clocks.tick(DISTRUSTED_SECONDS - 1)
    assert not clock.can_be_trusted()
