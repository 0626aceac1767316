"""Totals of what was used, from recorded and from odd usage objects."""

from __future__ import annotations

import pytest

from realtime.usage import Usage

RECORDED = {
    "total_tokens": 148,
    "input_tokens": 40,
    "output_tokens": 108,
    "input_token_details": {"text_tokens": 14, "audio_tokens": 26, "image_tokens": 0, "cached_tokens": 8},
    "output_token_details": {"text_tokens": 28, "audio_tokens": 80},
}


def test_responses_add_up() -> None:
    usage = Usage()
    usage.add(RECORDED)
    usage.add(RECORDED)
    assert usage.totals() == {
        "input_tokens": 80,
        "output_tokens": 216,
        "total_tokens": 296,
        "input": {"text": 28, "audio": 52, "image": 0, "cached": 16},
        "output": {"text": 56, "audio": 160},
        "transcription": {"tokens": 0, "seconds": 0.0},
        "responses": 2,
    }


def test_transcriptions_are_counted_apart_by_tokens_or_by_seconds() -> None:
    usage = Usage()
    usage.add_transcription({"type": "tokens", "total_tokens": 30, "input_tokens": 20, "output_tokens": 10})
    usage.add_transcription({"type": "duration", "seconds": 1.25})
    usage.add_transcription({"type": "duration", "seconds": 2})
    totals = usage.totals()
    assert totals["transcription"] == {"tokens": 30, "seconds": 3.25}
    assert (totals["total_tokens"], totals["responses"]) == (0, 0)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        7,
        "x",
        [],
        {},
        {"total_tokens": None, "input_token_details": None},
        {"total_tokens": "9", "input_tokens": True, "output_tokens": -1, "seconds": "4"},
        {"total_tokens": 1.5, "input_token_details": [1], "output_token_details": 7, "seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": -3},
        {"seconds": True},
        {"seconds": 10**400},
    ],
)
def test_what_is_no_number_of_tokens_counts_as_none(odd: object) -> None:
    usage = Usage()
    usage.add(odd)
    usage.add_transcription(odd)
    assert usage.totals() == Usage().totals() | {"responses": 1}
