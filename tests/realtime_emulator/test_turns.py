"""Whose turn it is: push-to-talk, semantic detection, long silences."""

import asyncio
from typing import Any

import pytest

WHISPER = {"model": "whisper-1"}
BY_HAND = {"audio": {"input": {"turn_detection": None, "transcription": WHISPER}}}


async def press_speak_release(emulator: Any, call: Any, speech: bytes) -> None:
    await call.tell({"type": "input_audio_buffer.clear"})
    await call.wait_for("input_audio_buffer.cleared")
    heard = (await emulator.record(call.call_id))["audio_in_ms"]
    call.voice.say(speech)
    await call.until_record(lambda record: record["audio_in_ms"] > heard + 1000)
    await call.tell({"type": "input_audio_buffer.commit"}, {"type": "response.create"})


def test_push_to_talk_commits_what_was_said_while_pressed_and_answers_when_asked(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    async def talk() -> tuple[list[str], dict[str, Any], int]:
        async with caller(emulator, session=BY_HAND) as call:
            await call.wait_for_channel()
            script = {"call_id": call.call_id, "heard": ["Hello!"], "replies": {"Hello!": "Good day."}}
            await emulator.control("POST", "/emulator/script", script, 204)
            await call.until_record(lambda record: record["audio_in_ms"] > 500)
            await press_speak_release(emulator, call, voices["Hello!"])
            await call.wait_for("output_audio_buffer.stopped")
            usage = call.named("conversation.item.input_audio_transcription.completed")[0]["usage"]
            return call.types(), call.named("response.done")[0]["response"], usage["seconds"]

    types, response, seconds = asyncio.run(talk())
    assert "input_audio_buffer.speech_started" not in types
    begin = types.index("input_audio_buffer.committed")
    assert [one for one in types[begin:] if not one.endswith(".delta")][:5] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    assert response["output"][0]["content"][0]["transcript"] == "Good day."
    assert 0.9 < seconds < 1.8, "what came before the button was pressed is not part of the turn"


@pytest.mark.parametrize("first", ["input_audio_buffer.clear", "input_audio_buffer.commit"])
def test_a_buffer_that_was_just_emptied_cannot_be_committed(emulator: Any, caller: Any, first: str) -> None:
    async def talk() -> tuple[str, list[str]]:
        async with caller(emulator, session=BY_HAND) as call:
            await call.until_record(lambda record: record["audio_in_ms"] > 300)
            await call.tell({"type": first}, {"type": "input_audio_buffer.commit", "event_id": "too soon"})
            error = (await call.wait_for("error"))["error"]
            assert error["event_id"] == "too soon"
            return error["code"], call.types()

    code, types = asyncio.run(talk())
    assert code == "input_audio_buffer_commit_empty"
    assert types.count("input_audio_buffer.committed") == (first == "input_audio_buffer.commit")


def test_detection_can_be_turned_off_and_on_again_in_the_call(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    async def talk() -> list[str]:
        async with caller(emulator) as call:
            await call.wait_for_channel()
            await call.tell({"type": "session.update", "session": {"turn_detection": {"type": "none"}}})
            off = await call.wait_for("session.updated")
            assert off["session"]["audio"]["input"]["turn_detection"] is None
            call.voice.say(voices["Hello!"])
            heard = (await emulator.record(call.call_id))["audio_in_ms"]
            await call.until_record(lambda record: record["audio_in_ms"] > heard + 1500)
            assert "input_audio_buffer.speech_started" not in call.types()
            detection = {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}
            await call.tell(
                {"type": "session.update", "session": {"type": "realtime", "audio": {"input": detection}}}
            )
            await call.wait_for("session.updated", 2)
            call.voice.say(voices["Hello!"])
            await call.wait_for("response.created")
            return list(call.types())

    types = asyncio.run(talk())
    assert types.count("input_audio_buffer.speech_started") == 1
    assert types.count("input_audio_buffer.committed") == 1


def test_a_long_silence_is_committed_and_answered(emulator: Any, caller: Any) -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    session = {
        "output_modalities": ["text"],
        "audio": {"input": {"turn_detection": detection, "transcription": WHISPER}},
    }

    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, session=session) as call:
            await call.wait_for_channel()
            await call.tell({"type": "response.create"})
            await call.wait_for("response.done", 2)
            return list(call.events)

    events = asyncio.run(talk())
    types = [event["type"] for event in events]
    begin = types.index("input_audio_buffer.timeout_triggered")
    assert types[begin : begin + 6] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "conversation.item.input_audio_transcription.completed",
    ]
    timeout, committed = events[begin], events[begin + 1]
    assert 5000 <= timeout["audio_end_ms"] - timeout["audio_start_ms"] < 5100
    assert timeout["item_id"] == committed["item_id"]
    assert events[begin + 5]["transcript"] == ""
    assert "still there" in events[-1]["response"]["output"][0]["content"][0]["text"]
