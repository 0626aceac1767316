"""A session in the flat shape of the beta is read as what it means today, and only when it is one."""

from typing import Any

import pytest

from realtime_emulator.beta_shape import read_shape
from realtime_emulator.refusals import Mistake
from realtime_emulator.session import Session, read_wanted


def test_a_flat_session_becomes_a_nested_one() -> None:
    flat = {
        "modalities": ["audio", "text"],
        "instructions": "Be brief.",
        "voice": "verse",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {"type": "server_vad", "threshold": 0.7},
        "temperature": 0.8,
        "max_response_output_tokens": 100,
    }
    hearing = {
        "format": {"type": "audio/pcmu"},
        "transcription": {"model": "whisper-1"},
        "turn_detection": {"type": "server_vad", "threshold": 0.7},
    }
    assert read_shape(flat) == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": "Be brief.",
        "audio": {
            "input": hearing,
            "output": {"voice": "verse", "format": {"type": "audio/pcm", "rate": 24000}},
        },
        "max_output_tokens": 100,
    }


@pytest.mark.parametrize("detection", [None, {"type": "none"}])
def test_both_ways_of_the_beta_to_turn_detection_off_mean_null(detection: Any) -> None:
    session = Session("sess_x", {"type": "realtime"}, 0)
    session.update({"turn_detection": detection}, voice_is_fixed=False)
    assert session.turn_detection is None
    assert session.as_json()["audio"]["input"]["turn_detection"] is None


@pytest.mark.parametrize(
    "session",
    [
        {"model": "m"},
        {"instructions": "no type"},
        {"voice": "verse", "audio": {"output": {"voice": "verse"}}},
        {"type": "realtime", "voice": "verse"},
        {"type": "realtime", "turn_detection": {"type": "none"}},
    ],
)
def test_what_is_not_of_the_beta_is_left_alone_and_judged_as_before(session: dict[str, Any]) -> None:
    assert read_shape(session) is session
    with pytest.raises(Mistake):
        read_wanted(session)


@pytest.mark.parametrize("value", [3, "x", [], {"type": ["none"]}, {"type": "client_vad"}])
def test_a_bad_value_of_the_beta_is_refused_under_its_name_of_today(value: Any) -> None:
    with pytest.raises(Mistake) as mistake:
        read_wanted({"turn_detection": value, "modalities": ["text"]})
    assert str(mistake.value.param).startswith("session.audio.input.turn_detection")
