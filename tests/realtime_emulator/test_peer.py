"""The WebRTC side: it stays on its host, hears everything, is heard, and notices who is gone."""

import array
import asyncio
import math
import re
import time
from typing import Any

from aiortc.mediastreams import VideoStreamTrack


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


def test_a_caller_who_vanishes_is_missed_within_some_five_seconds(emulator: Any, caller: Any) -> None:
    async def vanish() -> tuple[float, str]:
        async with caller(emulator) as call:
            await call.wait_for_channel()
            began = time.monotonic()
            await call.pc.sctp.transport.transport._connection.close()
            await call.until(lambda: call.close_code is not None, "the sideband's close")
            return time.monotonic() - began, (await emulator.record(call.call_id))["ended_by"]

    seconds, by = asyncio.run(vanish())
    assert by == "peer"
    assert seconds < 6.5
