"""The emulator as its own process, and people who call it: real WebRTC peers, real WebSockets, real speech."""

import asyncio
import fractions
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import IO, Any, Self

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame

from realtime_emulator.speech import Synthesizer, find_flite

PROJECT = Path(__file__).parents[2]
WIRE = PROJECT / "tests" / "wire"
DEADLINE_SECONDS = 10.0


class Voice(MediaStreamTrack):
    """A caller's microphone: what it was given to say, then silence."""

    kind = "audio"

    def __init__(self, pcm: bytes) -> None:
        super().__init__()
        self._pcm, self._frames, self._began = pcm, 0, 0.0

    def say(self, pcm: bytes) -> None:
        """Speak now."""
        self._pcm = self._pcm[: self._frames * 1920].ljust(self._frames * 1920, b"\0") + pcm

    async def recv(self) -> AudioFrame:
        now = time.monotonic()
        self._began = self._began or now
        await asyncio.sleep(max(0.0, self._began + self._frames * 0.02 - now))
        frame = AudioFrame(format="s16", layout="mono", samples=960)
        frame.sample_rate, frame.time_base, frame.pts = (
            48_000,
            fractions.Fraction(1, 48_000),
            self._frames * 960,
        )
        frame.planes[0].update(self._pcm[self._frames * 1920 :][:1920].ljust(1920, b"\0"))
        self._frames += 1
        return frame


class Emulator:
    """A running emulator's address and its own routes. `lines` is where its stderr goes."""

    def __init__(self, process: "subprocess.Popen[bytes]", base: str, lines: IO[bytes]) -> None:
        self.process, self.base, self.lines = process, base, lines

    async def control(self, method: str, path: str, body: object = None, status: int | None = None) -> Any:
        async with aiohttp.ClientSession() as session:
            answer = await session.request(method, f"{self.base}{path}", json=body)
            assert status is None or answer.status == status, await answer.text()
            text = await answer.text()
            return json.loads(text) if text else None

    async def record(self, call_id: str) -> dict[str, Any]:
        found = (await self.control("GET", f"/emulator/ledger?call={call_id}"))["calls"]
        assert len(found) == 1
        return dict(found[0])


class Caller:
    """A browser's part and an observer's part of one call, in one object. Use it as `async with`."""

    def __init__(
        self,
        emulator: Emulator,
        *,
        dialect: str = "azure",
        session: dict[str, Any] | None = None,
        says: bytes | None = None,
        query: str = "",
        audio: bool = True,
        channel: bool = True,
        connects: bool = True,
    ) -> None:
        prefix = "/openai/v1/realtime" if dialect == "azure" else "/v1/realtime"
        self.emulator, self.url, self._query, self._connects = (
            emulator,
            emulator.base + prefix,
            query,
            connects,
        )
        self._session = {"type": "realtime", "model": "gpt-realtime", **(session or {})}
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.voice = Voice(says or b"")
        if audio:
            self.pc.addTrack(self.voice)
        self.channel = self.pc.createDataChannel("any label at all") if channel else None
        self.key = {"api-key": "k"} if dialect == "azure" else {"Authorization": "Bearer sk-k"}
        self.events: list[dict[str, Any]] = []
        self.channel_events: list[dict[str, Any]] = []
        self.heard: list[AudioFrame] = []
        self.close_code: int | None = None
        self._news = asyncio.Event()
        self._stack = AsyncExitStack()
        self.call_id = ""

    async def __aenter__(self) -> Self:
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession())
        if self.channel is not None:
            self.channel.on("message", self._hear_channel)
        self.pc.on("track", self._listen)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        self.answer = await self.negotiate(self.pc.localDescription.sdp)
        if self._connects:
            await self.connect()
        await self.attach()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if not self._connects:
            await self.hang_up()
        await self.pc.close()
        await self.socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def negotiate(self, offer: str) -> str:
        mint = await self.http.post(
            f"{self.url}/client_secrets", headers=self.key, json={"session": self._session}
        )
        token = (await mint.json())["value"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        answer = await self.http.post(f"{self.url}/calls{self._query}", headers=headers, data=offer)
        assert answer.status == 201, await answer.text()
        self.call_id = answer.headers["Location"].rpartition("/")[2]
        return await answer.text()

    async def connect(self) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(self.answer, "answer"))

    async def hang_up(self) -> None:
        """A call whose caller never came would keep its place for ever."""
        with suppress(aiohttp.ClientConnectionError):
            await self.http.post(f"{self.url}/calls/{self.call_id}/hangup", headers=self.key)

    async def attach(self) -> None:
        self.socket = await self.http.ws_connect(f"{self.url}?call_id={self.call_id}", headers=self.key)
        self._tasks = [asyncio.create_task(self._read())]

    async def tell(self, *events: dict[str, Any]) -> None:
        for event in events:
            await self.socket.send_json(event)

    async def until(self, met: Callable[[], Any], what: str = "") -> None:
        """Wait for `met` to become true as events come in."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not met():
            self._news.clear()
            left = deadline - time.monotonic()
            assert left > 0, f"waited {DEADLINE_SECONDS} s for {what or met}; saw {self.types()}"
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), min(left, 0.05))

    async def until_record(self, met: Callable[[dict[str, Any]], bool]) -> None:
        """The same for what the emulator's ledger says of this call."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not met(await self.emulator.record(self.call_id)):
            assert time.monotonic() < deadline, "the ledger never said so"

    async def wait_for(self, type: str, count: int = 1) -> dict[str, Any]:
        await self.until(lambda: self.types().count(type) >= count, type)
        return [event for event in self.events if event["type"] == type][count - 1]

    async def wait_for_channel(self) -> None:
        channel = self.channel
        assert channel is not None
        await self.until(lambda: channel.readyState == "open", "the data channel")

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def named(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type]

    async def _read(self) -> None:
        async for message in self.socket:
            self.events.append(json.loads(message.data))
            self._news.set()
        self.close_code = self.socket.close_code
        self._news.set()

    def _hear_channel(self, text: str) -> None:
        self.channel_events.append(json.loads(text))
        self._news.set()

    def _listen(self, track: MediaStreamTrack) -> None:
        async def drain() -> None:
            with suppress(MediaStreamError):
                while True:
                    frame = await track.recv()
                    assert isinstance(frame, AudioFrame)
                    self.heard.append(frame)

        self._tasks_of_track = asyncio.ensure_future(drain())


def start_emulator(*options: str) -> Emulator:
    # A file and not a pipe: a pipe that nobody reads is full after some hundred calls, and stops the process.
    lines = tempfile.TemporaryFile()  # noqa: SIM115 — `stop_emulator` closes it
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "realtime_emulator", "--port", "0", "--seed", "1", *options],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=lines,
    )
    assert process.stdout is not None
    return Emulator(process, json.loads(process.stdout.readline())["listening"], lines)


def stop_emulator(emulator: Emulator) -> tuple[int, str]:
    """Its exit code, and all that it wrote on stderr, less asyncio's own word (`-X dev`) that the machine is slow."""
    emulator.process.terminate()
    emulator.process.communicate(timeout=10)
    with emulator.lines as lines:
        lines.seek(0)
        told = lines.read().decode().splitlines(keepends=True)
    return emulator.process.returncode, "".join(line for line in told if '"Executing <' not in line)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    running = start_emulator()
    yield running
    code, lines = stop_emulator(running)
    assert code == 0, lines
    unexpected = [line for line in lines.splitlines() if not line.startswith('{"') or "error" in line]
    assert unexpected == [], "the emulator complained on stderr"


@pytest.fixture(scope="session")
def voices() -> dict[str, bytes]:
    """Spoken words as PCM at 48 kHz, with half a second of silence before them."""
    synthesizer = Synthesizer(find_flite())
    assert find_flite(), "flite is not installed; `make test` installs it"
    texts = ("Hello!", "What is the capital of France?")
    return {text: bytes(48_000) + asyncio.run(synthesizer.say(text)).pcm for text in texts}


@pytest.fixture(scope="session")
def wire() -> Callable[[str], dict[str, Any]]:
    """Reads a recording of real traffic by its name."""
    return lambda name: dict(json.loads((WIRE / f"{name}.json").read_text()))


@pytest.fixture(scope="session")
def caller() -> type[Caller]:
    return Caller


@pytest.fixture(scope="session")
def starter() -> tuple[Callable[..., Emulator], Callable[[Emulator], tuple[int, str]]]:
    return start_emulator, stop_emulator
