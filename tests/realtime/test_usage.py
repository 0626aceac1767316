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
        "cached": {"text": 16, "audio": 0, "image": 0},
        "output": {"text": 56, "audio": 160},
        "transcription": {
            "tokens": 0,
            "input_tokens": 0,
            "input_text": 0,
            "input_audio": 0,
            "output_tokens": 0,
            "seconds": 0.0,
        },
        "responses": 2,
    }


def test_transcriptions_are_counted_apart_by_tokens_or_by_seconds() -> None:
    usage = Usage()
    details = {"text_tokens": 3, "audio_tokens": 17}
    tokens = {"total_tokens": 30, "input_tokens": 20, "input_token_details": details, "output_tokens": 10}
    usage.add_transcription({"type": "tokens", **tokens})
    usage.add_transcription({"type": "duration", "seconds": 1.25})
    usage.add_transcription({"type": "duration", "seconds": 2})
    totals = usage.totals()
    assert totals["transcription"] == {
        "tokens": 30,
        "input_tokens": 20,
        "input_text": 3,
        "input_audio": 17,
        "output_tokens": 10,
        "seconds": 3.25,
    }
    assert (totals["total_tokens"], totals["responses"]) == (0, 0)


@pytest.mark.parametrize(
    ("cached", "details", "by_kind"),
    [
        (8, {"text_tokens": 5, "audio_tokens": 3}, (5, 3)),  # as it is told
        (20, None, (14, 6)),  # not told: text first
        (8, {"audio_tokens": 6}, (2, 6)),  # told in part
        (99, {"text_tokens": 50, "audio_tokens": 99}, (14, 26)),  # never more than was read
        (8, {"text_tokens": 14, "audio_tokens": 26}, (8, 0)),  # nor than was cached
        (0, {"text_tokens": 5}, (0, 0)),
    ],
)
def test_cached_tokens_are_told_by_kind(
    cached: int, details: dict[str, int] | None, by_kind: tuple[int, int]
) -> None:
    usage = Usage()
    read = {"text_tokens": 14, "audio_tokens": 26, "cached_tokens": cached, "cached_tokens_details": details}
    usage.add({"input_token_details": read})
    assert usage.totals()["cached"] == {"text": by_kind[0], "audio": by_kind[1], "image": 0}


def test_seconds_add_up_to_the_same_in_any_order() -> None:
    seconds, there, back = [0.1, 0.2, 0.0005], Usage(), Usage()
    for second in seconds:
        there.add_transcription({"seconds": second})
    for second in sorted(seconds):
        back.add_transcription({"seconds": second})
    assert there.totals() == back.totals()


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
        {"total_tokens": 10**30, "input_token_details": {"text_tokens": 10**12}},
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
