"""What the model answers where its instructions say so word for word."""

import pytest

from realtime_emulator.answers import Words, dictated


@pytest.mark.parametrize(
    ("instructions", "said"),
    [
        ("Say exactly the following, and nothing else:\n\nOne moment.", ["One moment."]),
        ("Say exactly this:\n\nFirst.\n\nSecond.", ["First.\n\nSecond."]),
        ("Say exactly this:\n\n ", []),
        ("Say exactly what you think.", []),
        ("You are helpful.\n\nSay exactly this:\n\nNo.", []),
        ("", []),
    ],
)
def test_it_says_what_it_is_told_to_say_word_for_word(instructions: str, said: list[str]) -> None:
    assert dictated(instructions) == [Words(one) for one in said]
