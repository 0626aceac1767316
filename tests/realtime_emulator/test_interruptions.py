"""Who speaks while the model speaks is heard: it falls silent at once, and the conversation keeps what was heard."""

import array
import asyncio
import time
from typing import Any

LOUD = 300
"""Of 32768: above it, a frame is heard."""
LONG = "This is a very long answer that goes on and on, one sentence after the other. " * 6
SHORT = "Let me tell you in one sentence what it is that I know."
QUESTION = "What is the capital of France?"
SECOND = 96_000


def loud(frame: Any) -> bool:
    return max(map(abs, array.array("h", bytes(frame.planes[0])[: frame.samples * 4]))) > LOUD


async def hear_the_beginning(emulator: Any, call: Any, reply: str) -> None:
    script = {"call_id": call.call_id, "heard": ["Stop!"], "replies": {"Tell me.": reply, "Stop!": "Well."}}
    await emulator.control("POST", "/emulator/script", script, 204)
    await call.wait_for_channel()
    content = [{"type": "input_text", "text": "Tell me."}]
    item = {"type": "message", "role": "user", "content": content}
    await call.tell({"type": "conversation.item.create", "item": item}, {"type": "response.create"})
    await call.wait_for("output_audio_buffer.started")


def test_a_long_answer_is_cancelled_cleared_and_truncated_in_this_order(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator) as call:
            await hear_the_beginning(emulator, call, LONG)
            call.voice.say(voices[QUESTION])
            await call.wait_for("conversation.item.truncated")
            await call.wait_for("response.done", 2)
            return list(call.events)

    events = asyncio.run(talk())
    types = [event["type"] for event in events]
    begin = types.index("input_audio_buffer.speech_started")
    assert types[begin : begin + 9] == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    done, cleared, truncated = events[begin + 6 : begin + 9]
    assert done["response"]["status"] == "cancelled"
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["response"]["output"][0]["status"] == "incomplete"
    assert cleared["response_id"] == done["response"]["id"]
    assert truncated["item_id"] == done["response"]["output"][0]["id"]
    assert types[begin + 9] == "input_audio_buffer.speech_stopped"
    assert "output_audio_buffer.stopped" not in types[: begin + 9]
    assert events[types.index("response.done", begin + 9)]["response"]["status"] == "completed"


def test_an_answer_that_is_made_already_is_cleared_and_truncated_and_not_cancelled(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator) as call:
            await hear_the_beginning(emulator, call, SHORT)
            await call.wait_for("response.done")
            call.voice.say(voices[QUESTION])
            await call.wait_for("conversation.item.truncated")
            said = call.named("response.done")[0]["response"]["output"][0]["id"]
            await call.tell({"type": "conversation.item.retrieve", "item_id": said})
            await call.wait_for("conversation.item.retrieved")
            return list(call.events)

    events = asyncio.run(talk())
    types = [event["type"] for event in events]
    begin = types.index("input_audio_buffer.speech_started")
    assert types[begin : begin + 3] == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    assert events[types.index("response.done")]["response"]["status"] == "completed"
    assert events[types.index("conversation.item.retrieved")]["item"]["content"] == [{"type": "output_audio"}]


def test_the_caller_hears_nothing_more_and_the_truncation_says_how_much_was_heard(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    async def talk() -> tuple[int, int, float]:
        async with caller(emulator) as call:
            await hear_the_beginning(emulator, call, LONG)
            began = time.monotonic()
            call.voice.say(voices[QUESTION][48_000:])
            truncated = await call.wait_for("conversation.item.truncated")
            seconds, cut = time.monotonic() - began, len(call.heard)
            await call.until(lambda: len(call.heard) > cut + 20)
            places = [place for place, frame in enumerate(call.heard[: cut + 20]) if loud(frame)]
            assert places[-1] < cut + 8, "frames were queued ahead"
            return truncated["audio_end_ms"], 20 * (places[-1] - places[0] + 1), seconds

    truncated_ms, heard_ms, seconds = asyncio.run(talk())
    assert seconds < 0.3, "from the first sound of the caller's, past his jitter buffer and ours"
    assert abs(truncated_ms - heard_ms) <= 80, "a quiet moment at either end, a frame on its way"
    assert truncated_ms % 20 == 0


def test_a_model_that_thinks_is_interrupted_before_it_has_said_anything(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, session={"output_modalities": ["text"]}) as call:
            script = {"call_id": call.call_id, "replies": {"Tell me.": "word " * 2000}}
            await emulator.control("POST", "/emulator/script", script, 204)
            await call.wait_for_channel()
            item = {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Tell me."}],
            }
            await call.tell({"type": "conversation.item.create", "item": item}, {"type": "response.create"})
            await call.wait_for("response.output_text.delta")
            call.voice.say(voices["Hello!"])
            await call.wait_for("response.done", 2)
            return list(call.events)

    events = asyncio.run(talk())
    types = [event["type"] for event in events]
    done = events[types.index("response.done")]["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert "output_audio_buffer.cleared" not in types
    assert "conversation.item.truncated" not in types


def test_without_interrupt_response_the_model_speaks_to_its_end(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
    session = {"audio": {"input": {"turn_detection": detection}}}

    async def talk() -> list[str]:
        async with caller(emulator, session=session) as call:
            await hear_the_beginning(emulator, call, SHORT)
            call.voice.say(voices["Hello!"])
            await call.wait_for("output_audio_buffer.stopped")
            await call.wait_for("conversation.item.done", 3)
            return list(call.types())

    types = asyncio.run(talk())
    assert "input_audio_buffer.speech_started" in types
    assert types.count("response.created") == 1
    assert "output_audio_buffer.cleared" not in types
    assert "conversation.item.truncated" not in types


def test_a_client_that_wants_silence_cancels_and_clears(emulator: Any, caller: Any) -> None:
    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator) as call:
            await hear_the_beginning(emulator, call, LONG)
            await call.tell({"type": "response.cancel"}, {"type": "output_audio_buffer.clear"})
            await call.wait_for("conversation.item.truncated")
            await call.tell({"type": "response.cancel", "event_id": "too late"})
            await call.wait_for("error")
            return list(call.events)

    events = asyncio.run(talk())
    done, cleared, truncated, error = events[-4:]
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert cleared["type"] == "output_audio_buffer.cleared"
    assert truncated["item_id"] == done["response"]["output"][0]["id"]
    assert error["error"]["code"] == "response_cancel_not_active"


def test_what_was_made_before_a_cancellation_is_heard_to_its_end(emulator: Any, caller: Any) -> None:
    async def talk() -> tuple[list[str], int]:
        async with caller(emulator) as call:
            await hear_the_beginning(emulator, call, LONG)
            await call.tell({"type": "response.cancel"})
            await call.wait_for("output_audio_buffer.stopped")
            return call.types(), int((await emulator.record(call.call_id))["audio_out_ms"])

    types, spoken_ms = asyncio.run(talk())
    assert types.index("response.done") < types.index("output_audio_buffer.stopped")
    assert 1000 < spoken_ms < 8000, "of some 25 s"
