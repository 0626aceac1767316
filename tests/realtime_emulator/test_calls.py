"""Calls open, are joined by sidebands and end, each once and for the right reason."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from realtime_emulator.voice_call import MOST_CALLS

TEXT_ONLY = {"output_modalities": ["text"]}


async def _attach_status(call: Any, call_id: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """The HTTP answer to an attempt to attach, as any client sees it before the upgrade."""
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    asked |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} | (call.key if headers is None else headers)
    answer = await call.http.get(f"{call.url}?call_id={call_id}", headers=asked)
    return answer.status, (await answer.json())["error"]["code"]


def test_a_sideband_is_refused_over_plain_http_before_the_upgrade(emulator: Any, caller: Any) -> None:
    async def ask() -> list[tuple[int, str]]:
        async with caller(emulator, connects=False) as call:
            unknown = await _attach_status(call, "rtc_nobody")
            nobody = await _attach_status(call, call.call_id, {})
            wrong = await _attach_status(call, call.call_id, {"api-key": "wrong"})
            await call.hang_up()
            return [unknown, nobody, wrong, await _attach_status(call, call.call_id)]

    assert asyncio.run(ask()) == [
        (404, "call_id_not_found"),
        (401, "401"),
        (401, "401"),
        (404, "call_id_not_found"),
    ]


def test_a_session_without_a_call_is_not_emulated_and_says_so(emulator: Any, caller: Any) -> None:
    async def ask() -> tuple[int, str]:
        async with caller(emulator, connects=False) as call:
            answer = await call.http.get(f"{call.url}?model=gpt-realtime", headers=call.key)
            return answer.status, (await answer.json())["error"]["message"]

    status, message = asyncio.run(ask())
    assert status == 400
    assert "call_id" in message


def test_nothing_is_said_to_a_sideband_that_attaches(emulator: Any, caller: Any) -> None:
    async def attach() -> list[str]:
        async with caller(emulator, connects=False) as call:
            await call.tell({"type": "session.update", "session": {"type": "realtime"}})
            await call.wait_for("session.updated")
            return list(call.types())

    assert asyncio.run(attach()) == ["session.updated"]


def test_it_can_be_told_to_greet_sidebands_and_to_speak_in_tones(starter: Any, caller: Any) -> None:
    start, stop = starter
    emulator = start("--session-created-on-attach", "--tones")

    async def talk() -> list[str]:
        async with caller(emulator) as call:
            await call.wait_for_channel()
            await call.tell({"type": "response.create"})
            await call.wait_for("output_audio_buffer.started")
            return list(call.types())

    types = asyncio.run(talk())
    assert stop(emulator)[0] == 0
    assert types[0] == "session.created"


def test_an_ephemeral_secret_attaches_while_it_lives(emulator: Any, caller: Any) -> None:
    async def attach() -> tuple[int, str]:
        async with caller(emulator, connects=False) as call:
            mint = await call.http.post(f"{call.url}/client_secrets", headers=call.key, json={})
            token = (await mint.json())["value"]
            headers = {"Authorization": f"Bearer {token}"}
            await (await call.http.ws_connect(f"{call.url}?call_id={call.call_id}", headers=headers)).close()
            return await _attach_status(call, call.call_id, {"Authorization": "Bearer ek_never_minted"})

    assert asyncio.run(attach()) == (401, "invalid_api_key")


def test_several_sidebands_hear_the_same_and_an_error_reaches_all(emulator: Any, caller: Any) -> None:
    async def attach() -> tuple[list[Any], list[Any]]:
        async with caller(emulator, connects=False, session=TEXT_ONLY) as call:
            second = await call.http.ws_connect(f"{call.url}?call_id={call.call_id}", headers=call.key)
            await call.tell({"type": "response.create"}, {"type": "nonsense", "event_id": "mine"})
            await call.wait_for("response.done")
            heard = [await second.receive_json() for _ in call.events]
            await second.close()
            return heard, call.events

    heard, events = asyncio.run(attach())
    assert heard == events
    assert any(one["type"] == "error" and one["error"]["event_id"] == "mine" for one in heard)


@pytest.mark.parametrize("by", ["hangup", "peer"])
def test_a_call_ends_once_and_its_sidebands_are_closed(emulator: Any, caller: Any, by: str) -> None:
    async def end() -> tuple[int | None, dict[str, Any]]:
        async with caller(emulator) as call:
            await call.wait_for_channel()
            if by == "hangup":
                await call.hang_up()
            else:
                await call.pc.close()
            await call.until(lambda: call.close_code is not None, "the sideband's close")
            return call.close_code, await emulator.record(call.call_id)

    code, record = asyncio.run(end())
    assert code == 1000
    assert record["ended_by"] == by
    assert record["opened_at"] <= record["answered_at"] <= record["peer_connected_at"] <= record["ended_at"]
    assert (record["sidebands"], record["sideband_attaches"]) == (0, 1)


def test_the_other_side_sees_a_hang_up(emulator: Any, caller: Any) -> None:
    async def end() -> None:
        async with caller(emulator) as call:
            await call.wait_for_channel()
            await call.hang_up()
            await call.until(lambda: call.pc.connectionState == "closed", "the peer's end")

    asyncio.run(end())


def test_a_caller_who_never_comes_leaves_the_call_open(emulator: Any, caller: Any) -> None:
    async def dial() -> dict[str, Any]:
        async with caller(emulator, connects=False) as call:
            return dict(await emulator.record(call.call_id))

    record = asyncio.run(dial())
    assert (record["peer_connected_at"], record["ended_at"]) == (None, None)


@pytest.mark.parametrize(("audio", "channel"), [(True, False), (False, True)])
def test_a_call_without_sound_or_without_a_channel_works(
    emulator: Any, caller: Any, audio: bool, channel: bool
) -> None:
    async def talk() -> None:
        async with caller(emulator, audio=audio, channel=channel) as call:
            await call.until(lambda: call.pc.connectionState == "connected", "the connection")
            await call.tell({"type": "response.create"})
            await call.wait_for("response.done")
            if audio:
                await call.wait_for("output_audio_buffer.started")

    asyncio.run(talk())


def test_what_is_said_before_the_caller_comes_is_heard_when_he_comes(emulator: Any, caller: Any) -> None:
    async def talk() -> tuple[list[str], list[str]]:
        async with caller(emulator, connects=False) as call:
            await call.tell({"type": "response.create"})
            await call.wait_for("response.done")
            before = call.types()
            await call.connect()
            await call.wait_for("output_audio_buffer.started")
            return before, call.types()

    before, after = asyncio.run(talk())
    assert "output_audio_buffer.started" not in before
    assert after[len(before) :] == ["output_audio_buffer.started"]


def test_the_same_seed_makes_the_same_call(starter: Any, caller: Any) -> None:
    start, stop = starter

    async def talk(emulator: Any) -> tuple[str, list[Any]]:
        async with caller(emulator, connects=False, session=TEXT_ONLY) as call:
            await call.tell({"type": "response.create"})
            await call.wait_for("response.done")
            return call.call_id, call.events

    told = []
    for _ in range(2):
        emulator = start()
        told.append(asyncio.run(talk(emulator)))
        assert stop(emulator)[0] == 0
    assert told[0] == told[1]


def test_beyond_its_places_it_refuses_with_429(starter: Any, caller: Any) -> None:
    start, stop = starter
    emulator = start()

    async def fill() -> tuple[int, str, str | None]:
        async with AsyncExitStack() as stack:
            for _ in range(MOST_CALLS):
                call = await stack.enter_async_context(caller(emulator, connects=False))
            key = {"Authorization": "Bearer sk-k"}
            url = f"{emulator.base}/v1/realtime/calls"
            form = aiohttp.FormData({"sdp": call.pc.localDescription.sdp})
            answer = await call.http.post(url, headers=key, data=aiohttp.MultipartWriter("form-data"))
            assert answer.status == 400, "a form without an offer is wrong whether there is a place or not"
            form = aiohttp.FormData(default_to_multipart=True)
            form.add_field("sdp", call.pc.localDescription.sdp)
            answer = await call.http.post(url, headers=key, data=form)
            return answer.status, (await answer.json())["error"]["code"], answer.headers.get("Retry-After")

    try:
        assert asyncio.run(fill()) == (429, "rate_limit_exceeded", "5")
    finally:
        code, lines = stop(emulator)
    assert (code, [line for line in lines.splitlines() if not line.startswith('{"')]) == (0, [])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_leaves_cleanly_within_two_seconds_while_somebody_speaks(
    starter: Any, caller: Any, voices: dict[str, bytes], signum: int
) -> None:
    start, stop = starter
    emulator = start()

    async def talk() -> tuple[int | None, float]:
        async with caller(emulator, says=voices["Hello!"]) as call:
            await call.wait_for_channel()
            await call.tell({"type": "response.create"})
            await call.wait_for("output_audio_buffer.started")
            began = time.monotonic()
            emulator.process.send_signal(signum)
            await call.until(lambda: call.close_code is not None, "the sideband's close")
            await call.until(lambda: emulator.process.poll() is not None, "the process's end")
            return call.close_code, time.monotonic() - began

    close_code, seconds = asyncio.run(talk())
    code, lines = stop(emulator)
    assert close_code == 1001
    assert seconds < 2
    assert code == 0
    assert [line for line in lines.splitlines() if not line.startswith('{"') or "rror" in line] == []
