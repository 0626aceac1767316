"""Who speaks or answers is there; what only makes traffic is not."""

from __future__ import annotations

import json

import pytest

from realtime.idleness import Idleness
from realtime.turns import Conversation


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"),
        ("response.created", "response.done"),
        ("output_audio_buffer.started", "output_audio_buffer.stopped"),
        ("output_audio_buffer.started", "output_audio_buffer.cleared"),
    ],
)
def test_it_is_not_quiet_while_something_goes_on_and_counts_from_its_end(begins: str, ends: str) -> None:
    idleness = Idleness()
    idleness.hear(begins, 1_000)
    assert idleness.quiet_ms(60_000) == 0
    idleness.hear(ends, 60_000)
    assert (idleness.quiet_ms(60_000), idleness.quiet_ms(60_001)) == (0, 1)


@pytest.mark.parametrize(
    "type", ["response.output_audio.delta", "rate_limits.updated", "conversation.item.added", "browser.stats"]
)
def test_traffic_is_no_life(type: str) -> None:
    idleness = Idleness(since=500)
    idleness.hear(type, 9_000)
    assert idleness.quiet_ms(10_000) == 9_500


def test_sound_goes_on_when_its_response_is_made() -> None:
    idleness = Idleness()
    for type in ("response.created", "output_audio_buffer.started", "response.done"):
        idleness.hear(type, 1_000)
    assert idleness.quiet_ms(30_000) == 0


def test_what_ended_unheard_is_no_life_for_ever() -> None:
    idleness = Idleness()
    idleness.hear("response.created", 1_000)
    idleness.lost(5_000)
    assert idleness.quiet_ms(9_000) == 4_000
    idleness.lost(8_000)
    assert idleness.quiet_ms(9_000) == 4_000


def test_the_log_tells_how_quiet_it_is_to_whoever_folds_it() -> None:
    conversation = Conversation()
    lines = [
        (1, 1_000, "observer", "observer.attached"),
        (2, 2_000, "upstream", "input_audio_buffer.speech_started"),
        (3, 3_000, "browser", "browser.stats"),
        (4, 4_000, "observer", "observer.attached"),
        (5, 5_000, "upstream", "rate_limits.updated"),
    ]
    quiet = []
    for seq, at, source, type in lines:
        conversation.hear(seq, at, source, json.dumps({"type": type, "event_id": f"e{seq}"}).encode())
        quiet.append(conversation.quiet_ms(at, since=500))
    assert quiet == [500, 0, 0, 0, 1_000]
