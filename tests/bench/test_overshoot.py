"""How many responses came after the one that used the money up."""

from __future__ import annotations

import pytest

from bench.limits import overshoot

RESPONSE, WORDS = "response.done", "conversation.item.input_audio_transcription.completed"


@pytest.mark.parametrize(
    ("told", "heard", "beyond"),
    [
        (["r1", "r2"], {"r1": 5, "r2": 5}, 0),
        (["r1", "r2", "r3"], {"r1": 5, "r2": 5, "r3": 5}, 1),
        (["r1", "w1", "r2", "w2"], {"r1": 6, "w1": 4, "r2": 1, "w2": 1}, 1),
        (["r1", "r2", "r3"], {"r1": 5, "r3": 5}, 1),  # what nobody heard costs what the others do
        (["r1"], {"r1": 9}, 0),
    ],
)
def test_it_counts_responses_beyond_the_limit(told: list[str], heard: dict[str, int], beyond: int) -> None:
    paid = [{"type": RESPONSE if name[0] == "r" else WORDS, "event_id": name} for name in told]
    assert overshoot(paid, heard, 10) == beyond
