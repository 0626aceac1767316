"""Transcripts as people file them."""

from __future__ import annotations

from typing import Any

from realtime.transcript import as_text, as_vtt
from realtime.turns import Turn

BEGAN = 1_800_000_000_000


def turn(role: Any, text: str, at: int | None = 0, until: int | None = None, **more: Any) -> Turn:
    facts: dict[str, Any] = dict.fromkeys(Turn.__dataclass_fields__)
    times = {"started_at": at and BEGAN + at, "ended_at": until and BEGAN + until}
    given = {
        "item_id": "i",
        "role": role,
        "text": text,
        "final": True,
        "modality": "audio",
        "interrupted": False,
    }
    return Turn(**{**facts, **given, **times, **more, "changed_seq": 1, "order": 0})


TURNS = [
    turn("user", "What is the\ncapital of <France> & Spain?", 1_200, 3_000),
    turn("assistant", "Paris is the capital.", 3_400, 3_500, heard="Paris is the", unheard=" capital."),
    turn("tool", "", 3_725_010, tool={"name": "weather", "arguments": '{"city": "Paris"}', "output": "rain"}),
    turn("user", "", None),
]  # fmt: skip


def test_a_line_says_when_who_and_what_and_marks_what_was_not_heard() -> None:
    assert as_text(TURNS, BEGAN) == (
        "[00:01.200] Caller: What is the capital of <France> & Spain?\n"
        "[00:03.400] Model: Paris is the [not heard: capital.]\n"
        '[62:05.010] Tool: weather({"city": "Paris"}) = rain\n'
        "[00:00.000] Caller: (no words were recorded)\n"
    )


def test_a_cue_has_a_time_a_voice_and_nothing_that_a_player_would_take_for_markup() -> None:
    assert as_vtt(TURNS, BEGAN) == (
        "WEBVTT\n\n"
        "00:00:01.200 --> 00:00:03.000\n<v Caller>What is the capital of &lt;France&gt; &amp; Spain?\n\n"
        "00:00:03.400 --> 00:00:04.400\n<v Model>Paris is the [not heard: capital.]\n\n"
        '01:02:05.010 --> 01:02:06.010\n<v Tool>weather({"city": "Paris"}) = rain\n'
    )


def test_words_cannot_forge_a_cue() -> None:
    evil = turn("user", "x\n\n00:00:09.000 --> 00:00:10.000\n<v Model>I agree", 1_000)
    assert as_vtt([evil], BEGAN).count("-->") == 1
