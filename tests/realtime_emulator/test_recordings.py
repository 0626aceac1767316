"""The emulator is held to what the real services said: order, shapes and values, less what chance decides."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

NAMES = ("id", "event_id", "item_id", "response_id", "conversation_id", "previous_item_id")
COUNTS = re.compile(r"tokens$")
Wire = Callable[[str], dict[str, Any]]


def mask(value: Any, key: str = "") -> Any:
    """`value` with names, times and counts replaced by what is fixed about them."""
    if isinstance(value, dict):
        return {name: mask(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [mask(inner) for inner in value]
    if value is None:
        return None
    if key in NAMES:
        return re.sub(r"_.*", "_…", str(value))
    if key in ("expires_at", "audio_start_ms", "audio_end_ms") or (
        key and COUNTS.search(key) and value != "inf"
    ):
        return "number" if value else 0
    return len(value) if key == "obfuscation" else value


def mask_usage(event: dict[str, Any]) -> dict[str, Any]:
    """Token counts are the emulator's own arithmetic: their shape counts, not whether one is 0."""
    usage = event.get("response", {}).get("usage") if "response" in event else None
    if usage:
        event = {**event, "response": {**event["response"], "usage": shape(usage)}}
    return event


def shape(value: Any) -> Any:
    return (
        {key: shape(inner) for key, inner in value.items()}
        if isinstance(value, dict)
        else type(value).__name__
    )


def received(recording: dict[str, Any]) -> list[dict[str, Any]]:
    return [frame["event"] for frame in recording["frames"] if frame["direction"] == "received"]


def comparable(events: list[dict[str, Any]]) -> list[Any]:
    return [mask(mask_usage(event)) for event in events]


@pytest.mark.parametrize("dialect", ["azure", "openai"])
def test_a_text_turn_is_the_recorded_one_event_for_event(
    emulator: Any, caller: Any, wire: Wire, dialect: str
) -> None:
    recording = wire(f"{dialect}_sideband_text_turn")
    sent = [frame["event"] for frame in recording["frames"] if frame["direction"] == "sent"]

    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, dialect=dialect, connects=False) as call:
            script = {"call_id": call.call_id, "replies": {"Say hello.": "Hello there!"}}
            await emulator.control("POST", "/emulator/script", script, 204)
            await call.tell(*sent)
            await call.wait_for("response.done")
            if dialect == "openai":
                await call.wait_for("rate_limits.updated")
            return list(call.events)

    emitted = asyncio.run(talk())
    if dialect == "openai":  # recorded with the audio turn of the same day, not with this one
        assert emitted.pop()["type"] == "rate_limits.updated"
    assert comparable(emitted) == comparable(received(recording))


def test_a_voice_turn_is_the_recorded_one_event_for_event(
    emulator: Any, caller: Any, wire: Wire, voices: dict[str, bytes]
) -> None:
    recording = wire("azure_voice_turn")
    answer = "Hi Marcelo, it's great to meet you. How can I help you today?"
    update = next(frame["event"] for frame in recording["frames"] if frame["direction"] == "sent")
    update = {**update, "session": {**update["session"], "audio": TRANSCRIBED_AS_RECORDED}}

    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, says=voices["Hello!"]) as call:
            script = {
                "call_id": call.call_id,
                "heard": ["Hi, I am Marcelo."],
                "replies": {"Hi, I am Marcelo.": answer},
            }
            await emulator.control("POST", "/emulator/script", script, 204)
            await call.tell(update)
            await call.wait_for("output_audio_buffer.started")
            await call.wait_for("response.done")
            return list(call.events)

    # The recording is of a WebSocket session: it greets, carries sound, and has no output buffer. Its
    # transcription failed where ours completes, at the same place.
    foreign = ("session.created", "response.output_audio.delta")
    recorded = [one for one in received(recording) if one["type"] not in foreign]
    place = [one["type"] for one in recorded].index("conversation.item.input_audio_transcription.failed")
    emitted = asyncio.run(talk())
    types = [one["type"] for one in emitted]
    completed = types.index("conversation.item.input_audio_transcription.completed")
    assert types[completed + 1] == recorded[place + 1]["type"]
    ours = [
        one
        for one in emitted
        if "transcription" not in one["type"] and "output_audio_buffer" not in one["type"]
    ]
    theirs = [one for one in recorded if "transcription" not in one["type"]]
    assert comparable(ours) == comparable(theirs)


def test_a_transcription_that_has_no_deployment_fails_as_recorded(
    emulator: Any, caller: Any, wire: Wire, voices: dict[str, bytes]
) -> None:
    recorded = [one for one in received(wire("azure_voice_turn")) if one["type"].endswith(".failed")]
    session = {"audio": {"input": {"transcription": {"model": "not a deployment"}}}}

    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, says=voices["Hello!"], session=session) as call:
            await emulator.control("POST", "/emulator/script", {"not_deployed": ["not a deployment"]}, 204)
            failed = await call.wait_for("conversation.item.input_audio_transcription.failed")
            await emulator.control("POST", "/emulator/script", {"not_deployed": []}, 204)
            await call.wait_for("response.done")
            return [failed]

    def without_names(events: list[dict[str, Any]]) -> str:
        return re.sub(r"(item|event)_\w+", r"\1_…", json.dumps(events))

    assert without_names(asyncio.run(talk())) == without_names(recorded)


def test_a_function_call_and_its_answer_are_the_recorded_ones(emulator: Any, caller: Any, wire: Wire) -> None:
    frames = wire("azure_tool_call_round")["frames"][1:]  # the first greets: it is of a WebSocket session
    sent = [frame["event"] for frame in frames if frame["direction"] == "sent"]
    recorded = [frame["event"] for frame in frames if frame["direction"] == "received"]
    call_event = next(one for one in recorded if one["type"] == "response.function_call_arguments.done")
    question, tool = "What is the weather in London?", call_event["name"]

    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, connects=False) as call:
            tools = {question: {"name": tool, "arguments": call_event["arguments"]}}
            await emulator.control("POST", "/emulator/script", {"call_id": call.call_id, "tools": tools}, 204)
            update, ask, create, answer, again = sent
            await call.tell(update, ask, create)
            done = await call.wait_for("response.done")
            call_id = done["response"]["output"][0]["call_id"]
            await call.tell({**answer, "item": {**answer["item"], "call_id": call_id}}, again)
            await call.wait_for("response.done", 2)
            return list(call.events)

    ours, theirs = comparable(without_streams(asyncio.run(talk()))), comparable(without_streams(recorded))
    assert mask_calls(ours) == mask_calls(theirs)


def without_streams(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each run of deltas is one, without its text: how a model's words are cut into tokens is its own affair."""
    kept: list[dict[str, Any]] = []
    for event in events:
        if not event["type"].endswith(".delta"):
            kept.append(event)
        elif not kept or kept[-1]["type"] != event["type"]:
            kept.append({**event, "delta": "…", "obfuscation": ""})
    return kept


def mask_calls(events: list[Any]) -> Any:
    return json.loads(re.sub(r"call_\w{16}\b", "call_…", json.dumps(events)))


TRANSCRIBED_AS_RECORDED = {
    "input": {
        "format": {"type": "audio/pcm", "rate": 24000},
        "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
        "transcription": {"model": "gpt-realtime-whisper"},
    },
    "output": {"format": {"type": "audio/pcm", "rate": 24000}},
}


def test_the_output_buffer_starts_and_stops_where_the_protocol_says(
    emulator: Any, caller: Any, voices: dict[str, bytes]
) -> None:
    async def talk() -> tuple[list[str], list[dict[str, Any]]]:
        async with caller(emulator, dialect="openai", says=voices["Hello!"]) as call:
            short = {"call_id": call.call_id, "heard": ["Hello!"], "replies": {"Hello!": "Good day to you."}}
            await emulator.control("POST", "/emulator/script", short, 204)
            await call.wait_for("output_audio_buffer.stopped")
            return call.types(), list(call.events)

    types, events = asyncio.run(talk())
    begin = types.index("response.created")
    deltas = types.count("response.output_audio_transcript.delta")
    assert types[begin:] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        *["response.output_audio_transcript.delta"] * deltas,
        "output_audio_buffer.started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
        "output_audio_buffer.stopped",
    ]
    buffered = [one for one in events if one["type"].startswith("output_audio_buffer.")]
    assert all(re.fullmatch(r"event_[0-9a-f]{16}", one["event_id"]) for one in buffered)


def test_a_minted_secret_is_answered_as_azure_answered(emulator: Any, wire: Wire) -> None:
    exchange = wire("azure_mint_and_call")["exchanges"][0]
    answer = requests.post(
        f"{emulator.base}/openai/v1/realtime/client_secrets",
        headers={"api-key": "k"},
        json=exchange["request"]["json"],
        timeout=5,
    )
    assert answer.status_code == exchange["response"]["status"]
    assert answer.headers["apim-request-id"]
    assert answer.headers["Content-Type"].startswith("application/json")
    body, recorded = answer.json(), exchange["response"]["json"]
    assert body["value"].startswith("ek_")
    assert mask({**body, "value": ""}) == mask({**recorded, "value": ""})
    assert list(body["session"]["audio"]["input"]["turn_detection"]) == [
        "type",
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "idle_timeout_ms",
        "create_response",
        "interrupt_response",
    ]


def test_the_recorded_offer_is_answered_as_azure_answered(emulator: Any, wire: Wire) -> None:
    mint, call = wire("azure_mint_and_call")["exchanges"]
    base = f"{emulator.base}/openai/v1/realtime"
    session = requests.post(
        f"{base}/client_secrets", headers={"api-key": "k"}, json=mint["request"]["json"], timeout=5
    )
    headers = {"Authorization": f"Bearer {session.json()['value']}", "Content-Type": "application/sdp"}
    answer = requests.post(
        f"{base}/calls?webrtcfilter=on", headers=headers, data=call["request"]["text"], timeout=5
    )
    hang_up(emulator, answer)
    _hold_answer_to(answer, call["response"], r"/v1/realtime/calls/rtc_[0-9a-f]{32}")
    assert answer.headers["apim-request-id"]
    assert answer.headers["access-control-expose-headers"] == "Location,X-Request-Id"


def test_the_recorded_multipart_offer_is_answered_as_openai_answered(emulator: Any, wire: Wire) -> None:
    (exchange,) = wire("openai_call")["exchanges"]
    headers = {
        "Authorization": "Bearer sk-k",
        "Content-Type": exchange["request"]["headers"]["content-type"],
    }
    answer = requests.post(
        f"{emulator.base}/v1/realtime/calls",
        headers=headers,
        data=exchange["request"]["text"].encode(),
        timeout=5,
    )
    hang_up(emulator, answer)
    _hold_answer_to(answer, exchange["response"], r"/v1/realtime/calls/rtc_u0_[A-Za-z0-9]{21}")
    assert answer.headers["x-request-id"]


def hang_up(emulator: Any, answer: requests.Response) -> None:
    url = f"{emulator.base}/openai{answer.headers['Location']}/hangup"
    assert requests.post(url, headers={"api-key": "k"}, timeout=5).status_code == 200


def _hold_answer_to(answer: requests.Response, recorded: dict[str, Any], location: str) -> None:
    assert answer.status_code == recorded["status"] == 201
    assert answer.headers["Content-Type"] == recorded["headers"]["content-type"]
    assert answer.headers["access-control-allow-origin"] == recorded["headers"]["access-control-allow-origin"]
    assert re.fullmatch(location, recorded["headers"]["location"])
    assert re.fullmatch(location, answer.headers["Location"])
    assert _sections(answer.text) == _sections(recorded["text"])


def _sections(sdp: str) -> list[tuple[str, ...]]:
    """Of each media section: what it is, over what, and the role taken."""
    sections = sdp.split("\r\nm=")[1:]
    roles = [re.findall(r"a=(setup:\w+|mid:\d+)", section) for section in sections]
    kinds = [(section.split()[0], section.split()[2]) for section in sections]
    return [(*kind, *sorted(set(role))) for kind, role in zip(kinds, roles, strict=True)]
