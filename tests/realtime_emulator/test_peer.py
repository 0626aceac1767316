"""The WebRTC side: it stays on its host, hears everything, is heard, and notices who is gone."""

import array
import asyncio
import gc
import math
import re
import sys
import time
from typing import Any

import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import VideoStreamTrack
from aiortc.rtcdtlstransport import State

from realtime_emulator.peer import overlook_the_departed


def loudness(frames: list[Any]) -> float:
    """RMS of what was heard, of 32768."""
    samples = array.array("h")
    for frame in frames:
        samples.frombytes(bytes(frame.planes[0])[: frame.samples * 4])
    return math.sqrt(sum(one * one for one in samples) / max(1, len(samples)))


def test_the_caller_hears_silence_and_then_the_answer(emulator: Any, caller: Any) -> None:
    async def talk() -> tuple[float, float]:
        async with caller(emulator) as call:
            await call.until(lambda: len(call.heard) > 20, "sound")
            silence = loudness(call.heard)
            await call.tell({"type": "response.create"})
            await call.wait_for("output_audio_buffer.started")
            before = len(call.heard)
            await call.until(lambda: len(call.heard) > before + 100, "two seconds of sound")
            return silence, loudness(call.heard[before:])

    silence, speech = asyncio.run(talk())
    assert silence < 5
    assert 20 * math.log10(speech / 32768) > -24


def test_an_offer_without_candidates_connects(emulator: Any, caller: Any) -> None:
    class Browser(caller):  # type: ignore[misc]
        async def negotiate(self, offer: str) -> str:
            """As a page does that posts what `createOffer()` gave it."""
            lines = [line for line in offer.splitlines(keepends=True) if "candidate" not in line]
            return str(await super().negotiate("".join(lines)))

    async def dial() -> None:
        async with Browser(emulator) as call:
            await call.wait_for_channel()

    asyncio.run(dial())


def test_it_binds_to_loopback_alone(emulator: Any, caller: Any) -> None:
    async def dial() -> str:
        async with caller(emulator, connects=False) as call:
            return str(call.answer)

    hosts = re.findall(r"a=candidate:\S+ \d+ udp \d+ (\S+)", asyncio.run(dial()))
    assert set(hosts) == {"127.0.0.1"}


def test_pictures_that_nobody_needs_do_no_harm(emulator: Any, caller: Any) -> None:
    async def dial() -> None:
        call = caller(emulator)
        call.pc.addTrack(VideoStreamTrack())
        async with call:
            await call.wait_for_channel()
            await call.tell({"type": "response.create"})
            await call.wait_for("output_audio_buffer.started")

    asyncio.run(dial())


PAGE_IN_A_TAB = """
import asyncio, sys
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
import aiohttp

async def call(url):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio")
    pc.createDataChannel("x").on("open", lambda: print(call_id, flush=True))
    await pc.setLocalDescription(await pc.createOffer())
    async with aiohttp.ClientSession() as http:
        mint = await http.post(url + "/client_secrets", headers={"api-key": "k"}, json={})
        headers = {"Authorization": "Bearer " + (await mint.json())["value"], "Content-Type": "application/sdp"}
        answer = await http.post(url + "/calls", headers=headers, data=pc.localDescription.sdp)
        call_id = answer.headers["Location"].rpartition("/")[2]
        await pc.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
    await asyncio.sleep(60)

asyncio.run(call(sys.argv[1]))
"""


def test_a_closed_tab_is_noticed_within_five_seconds(emulator: Any, caller: Any) -> None:
    """The caller is a process of its own that is killed: its sockets are gone, and nobody said goodbye."""

    async def vanish() -> tuple[float, dict[str, Any]]:
        url = f"{emulator.base}/openai/v1/realtime"
        tab = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PAGE_IN_A_TAB, url, stdout=asyncio.subprocess.PIPE
        )
        assert tab.stdout is not None
        call_id = (await tab.stdout.readline()).decode().strip()
        tab.kill()
        await tab.wait()
        began = time.monotonic()
        while (record := await emulator.record(call_id))["ended_at"] is None:
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.05)
        return time.monotonic() - began, record

    seconds, record = asyncio.run(vanish())
    assert record["ended_by"] == "peer"
    assert 1 < seconds < 5


@pytest.mark.parametrize(
    ("lost", "faults"), [("DTLS", []), ("ICE", []), ("something else", ["something else"])]
)
def test_what_is_said_to_one_who_leaves_meanwhile_is_lost_without_a_word(
    lost: str, faults: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])
    told: list[str] = []
    unawaited: list[asyncio.Future[None]] = []

    async def fail() -> None:
        raise ConnectionError(lost)

    async def part() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "default_exception_handler", lambda of: told.append(str(of["exception"])))
        overlook_the_departed(loop)
        staying, leaving = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        channel, opened = staying.createDataChannel("x"), asyncio.Event()
        channel.on("open", opened.set)
        await staying.setLocalDescription(await staying.createOffer())
        await leaving.setRemoteDescription(staying.localDescription)
        await leaving.setLocalDescription(await leaving.createAnswer())
        await staying.setRemoteDescription(leaving.localDescription)
        await asyncio.wait_for(opened.wait(), 10)
        assert staying.sctp is not None
        dtls = staying.sctp.transport
        if lost == "something else":
            unawaited.append(asyncio.ensure_future(fail()))
        else:
            channel.send("anybody there?")
        # What sends has not had its turn yet.
        if lost == "DTLS":
            dtls._set_state(State.CLOSED)
        elif lost == "ICE":
            dtls.transport._connection._nominated.clear()
        await asyncio.gather(staying.close(), leaving.close())

    asyncio.run(part())
    unawaited.clear()
    gc.collect()
    assert told == faults
