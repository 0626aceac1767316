"""How often the call log is looked at: often, but as a small share of what the machine does."""

import pytest

from observer.watch import AT_LEAST_EVERY_SECONDS, rest_after


@pytest.mark.parametrize(
    ("took", "dialling", "rest"),
    [
        (0.02, False, 0.04),
        (0.02, True, 0.02),
        (5.0, False, AT_LEAST_EVERY_SECONDS),  # a server that said nothing: nobody worked meanwhile
        (5.0, True, AT_LEAST_EVERY_SECONDS),
    ],
)
def test_a_look_is_a_share_of_the_work_and_the_next_one_never_far_away(
    took: float, dialling: bool, rest: float
) -> None:
    assert rest_after(took, dialling) == pytest.approx(rest)
