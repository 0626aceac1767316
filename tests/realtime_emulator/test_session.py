"""How a session is changed: what is omitted is kept, null clears, and a bad value changes nothing."""

from typing import Any

import pytest

from realtime_emulator.refusals import Mistake
from realtime_emulator.session import SEMANTIC_VAD, SERVER_VAD, Session, read_wanted


@pytest.fixture
def session() -> Session:
    return Session("sess_x", {"type": "realtime", "model": "m", "instructions": "Be brief."}, 3600)


def update(session: Session, change: Any, fixed: bool = False) -> dict[str, Any]:
    session.update({"type": "realtime", **change}, voice_is_fixed=fixed)
    return session.as_json()


def test_what_an_update_omits_is_kept(session: Session) -> None:
    before = session.as_json()
    after = update(session, {"audio": {"output": {"voice": "cedar"}}})
    assert after["audio"]["output"] == {**before["audio"]["output"], "voice": "cedar"}
    after["audio"]["output"]["voice"] = before["audio"]["output"]["voice"]
    assert after == before


def test_empty_and_null_values_clear(session: Session) -> None:
    update(session, {"audio": {"input": {"transcription": {"model": "t"}}}, "tools": [{"type": "function"}]})
    after = update(
        session,
        {
            "instructions": "",
            "tools": [],
            "audio": {"input": {"transcription": None, "turn_detection": None}},
        },
    )
    assert (after["instructions"], after["tools"]) == ("", [])
    assert after["audio"]["input"]["transcription"] is None
    assert session.turn_detection is None
    assert session.transcription_model is None


def test_a_transcription_is_completed_as_recorded(session: Session) -> None:
    after = update(session, {"audio": {"input": {"transcription": {"model": "t"}}}})
    assert after["audio"]["input"]["transcription"] == {"model": "t", "language": None, "prompt": None}


def test_a_turn_detection_is_merged_while_its_type_stays(session: Session) -> None:
    update(session, {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.9}}}})
    update(
        session, {"audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}}
    )
    assert session.turn_detection == {**SERVER_VAD, "threshold": 0.9, "create_response": False}


def test_another_type_of_turn_detection_starts_from_its_defaults(session: Session) -> None:
    after = update(
        session, {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}}
    )
    assert after["audio"]["input"]["turn_detection"] == {**SEMANTIC_VAD, "eagerness": "low"}


@pytest.mark.parametrize(
    ("eagerness", "ms"), [("low", 2000), ("auto", 1000), ("medium", 1000), ("high", 500)]
)
def test_the_less_eager_it_is_the_longer_semantic_detection_waits(
    session: Session, eagerness: str, ms: int
) -> None:
    update(
        session, {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}}}
    )
    assert session.turn_detection is not None
    assert session.turn_detection["silence_duration_ms"] == ms
    assert session.turn_detection["interrupt_response"] is True


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"type": None}, "invalid_value", "session.type"),
        ({"type": "transcription"}, "invalid_parameter", "session.type"),
        ({"model": "another"}, "invalid_value", "session.model"),
        ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
        ({"audio": {"input": {"volume": 1}}}, "unknown_parameter", "session.audio.input.volume"),
        ({"audio": None}, "invalid_type", "session.audio"),
        ({"instructions": 3}, "invalid_type", "session.instructions"),
        ({"instructions": None}, "invalid_type", "session.instructions"),
        ({"output_modalities": "audio"}, "invalid_value", "session.output_modalities"),
        ({"max_output_tokens": 5000}, "invalid_value", "session.max_output_tokens"),
        ({"max_output_tokens": True}, "invalid_type", "session.max_output_tokens"),
        ({"tools": ["x"]}, "invalid_type", "session.tools"),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "none"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": ["server_vad"]}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
    ],
)
def test_a_bad_value_is_named_and_changes_nothing(
    session: Session, change: Any, code: str, param: str
) -> None:
    before = session.as_json()
    with pytest.raises(Mistake) as mistake:
        update(session, {"instructions": "new", **change})
    assert (mistake.value.code, mistake.value.param) == (code, param)
    assert session.as_json() == before


def test_the_voice_is_frozen_after_the_first_sound(session: Session) -> None:
    with pytest.raises(Mistake, match="assistant audio is present"):
        update(session, {"audio": {"output": {"voice": "cedar"}}}, fixed=True)
    update(session, {"audio": {"output": {"voice": session.voice}}}, fixed=True)


def test_the_same_model_may_be_named_again(session: Session) -> None:
    assert update(session, {"model": "m"})["model"] == "m"


@pytest.mark.parametrize("change", [None, "x", [], {}, {"instructions": "no type"}])
def test_an_update_is_an_object_with_a_type(session: Session, change: object) -> None:
    with pytest.raises(Mistake):
        session.update(change, voice_is_fixed=False)


def test_what_the_session_was_made_from_can_be_changed_without_changing_it() -> None:
    wanted = read_wanted({"type": "realtime", "tools": [{"type": "function", "name": "f"}]})
    session = Session("sess_x", wanted, 0)
    wanted["tools"][0]["name"] = "g"
    session.as_json()["tools"].clear()
    assert session.as_json()["tools"] == [{"type": "function", "name": "f"}]
