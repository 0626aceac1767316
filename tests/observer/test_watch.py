"""How often the call log is looked at: often, but as a small share of what the machine does."""

import pytest

from observer.watch import AT_LEAST_EVERY_SECONDS, pause_after


@pytest.mark.parametrize(
    ("took", "dialling", "pause"),
    [
        (0.0001, False, 0.010),
        (0.0001, True, 0.001),
        (0.02, False, 0.1),  # a busy machine
        (0.02, True, 0.02),
        (5.0, False, AT_LEAST_EVERY_SECONDS),  # a server that said nothing: nobody worked meanwhile
        (5.0, True, AT_LEAST_EVERY_SECONDS),
    ],
)
def test_a_look_is_a_small_share_of_the_work_and_never_far_away(
    took: float, dialling: bool, pause: float
) -> None:
    assert pause_after(took, dialling) == pytest.approx(pause)
