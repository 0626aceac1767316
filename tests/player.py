"""An upstream that says exactly what it was given: recordings, and misbehaviour that no emulator of a service has.

Real sockets, no protocol of its own: it mints, answers offers, and on each attach plays frames and closes as told.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import struct
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_LINGER, SO_RCVBUF, SOL_SOCKET
from typing import Any, TypeVar

from aiohttp import WSCloseCode, WSMsgType, web

WIRE = Path(__file__).parent / "wire"
DEAF_BYTES = 4_096
Result = TypeVar("Result")


@dataclass
class Attach:
    """What one dial of the sideband meets: a refusal, or frames and then a close (None: it stays open)."""

    status: int = 101
    frames: list[str | bytes] = field(default_factory=list)
    close: tuple[int, str] | None = None
    cut: bool = False
    """The connection ends without a close frame."""

    reset: bool = False
    """And with a RST instead of a FIN."""

    mute: bool = False
    """No ping is answered."""

    deaf: bool = False
    """Nothing that comes is read, and little of it fits into the socket."""

    replaces: bool = False
    """The call's other sidebands are closed: it may have one only."""

    wire: bytes = b""
    """Goes onto the wire behind the frames as it stands, whatever the protocol says."""

    handshake: bytes | None = None
    """The answer to the handshake as it stands; the connection is left open behind it, whatever it says."""

    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"error": {"code": "call_id_not_found"}}'


class Binary(bytes):
    """Goes out as a binary frame."""


@dataclass
class Scenario:
    """One call. `attaches` are met in order; every dial after the last one finds the call gone (404)."""

    attaches: list[Attach] = field(default_factory=list)
    answer: bytes = b"v=0\r\no=- 2 2 IN IP4 0.0.0.0\r\n"
    headers: dict[str, str] = field(default_factory=dict)
    named: bool = True
    """Whether the answer has a Location."""

    hangups: list[int] = field(default_factory=list)
    """The statuses of the hang-ups to come; 200 when there is none left."""

    held_back: bool = False
    """Whether the answer waits for `may_answer`."""

    asked: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)
    call_id: str = ""
    dialled: list[str] = field(default_factory=list)
    """The statuses of the dials so far."""

    dialled_at: list[float] = field(default_factory=list)
    """When, by the monotonic clock."""

    identified: list[str] = field(default_factory=list)
    """The credentials that they showed."""
    sent: int = 0
    """How many of the attaches' frames went out."""

    pings: int = 0
    """On sidebands that are mute."""

    heard: list[str] = field(default_factory=list)
    """What its sidebands said, as text."""

    replaced: list[asyncio.Task[bool]] = field(default_factory=list)
    hung_up: int = 0
    over: bool = False
    sockets: list[web.WebSocketResponse] = field(default_factory=list)


def recorded(name: str) -> Any:
    """A recording of tests/wire/."""
    return json.loads((WIRE / f"{name}.json").read_text())


class Player:
    """Runs in a thread of its own; `url` is its address."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._numbers = itertools.count(1)
        self._waiting: list[Scenario] = []
        self._calls: dict[str, Scenario] = {}
        self._closing: list[asyncio.Task[bool]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = self._in_loop(self._start())

    def expect(self, scenario: Scenario) -> Scenario:
        """The next offer opens this call."""
        self._waiting.append(scenario)
        return scenario

    def know(self, scenario: Scenario) -> None:
        """This call is open without an offer; it has an id already."""
        self._calls[scenario.call_id] = scenario

    def say(self, scenario: Scenario, *frames: str) -> None:
        """Send more on the call's open sideband."""
        self._in_loop(_send(scenario.sockets[-1], list(frames)))

    def say_to_all(self, scenario: Scenario, *frames: str) -> None:
        """Send more on every sideband of the call that is open."""
        for socket in scenario.sockets:
            if not socket.closed:
                self._in_loop(_send(socket, list(frames)))

    def end(self, scenario: Scenario) -> None:
        """The call is over: its sideband closes as if nothing had happened, and it is not known any more."""
        scenario.over = True
        self._in_loop(scenario.sockets[-1].close())

    def close(self) -> None:
        """Stop, and close every socket."""
        self._in_loop(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _in_loop(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _start(self) -> str:
        app = web.Application()
        app.router.add_post("/openai/v1/realtime/client_secrets", self._mint)
        app.router.add_post("/openai/v1/realtime/calls", self._answer)
        app.router.add_post("/openai/v1/realtime/calls/{call_id}/hangup", self._hang_up)
        app.router.add_get("/openai/v1/realtime", self._attach)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _mint(self, request: web.Request) -> web.Response:
        self.requests.append(("mint", dict(request.headers), await request.read()))
        return web.json_response({"value": "ek_player", "expires_at": 2_000_000_000, "session": {}})

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append(("call", dict(request.headers), await request.read()))
        scenario = self._waiting.pop(0)
        scenario.call_id = scenario.call_id or f"rtc_{next(self._numbers):032x}"
        self._calls[scenario.call_id] = scenario
        scenario.asked.set()
        if scenario.held_back:
            await asyncio.to_thread(scenario.may_answer.wait, 20)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if scenario.named:
            headers["Location"] = f"/v1/realtime/calls/{scenario.call_id}"
        return web.Response(body=scenario.answer, status=201, headers=headers | scenario.headers)

    async def _hang_up(self, request: web.Request) -> web.Response:
        scenario = self._calls[request.match_info["call_id"]]
        status = scenario.hangups.pop(0) if scenario.hangups else 200
        if status == 200:
            scenario.hung_up, scenario.over = scenario.hung_up + 1, True
            # Beside the answer: a sideband that is not read does not hold it up.
            self._closing = [asyncio.create_task(socket.close()) for socket in scenario.sockets]
        return web.Response(status=status)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(("attach", dict(request.headers), b""))
        scenario = self._calls[request.query["call_id"]]
        attach = scenario.attaches.pop(0) if scenario.attaches and not scenario.over else Attach(404)
        scenario.identified.append(_credential(request))
        if attach.status == 101 and attach.handshake is None:
            return await _play(request, scenario, attach)
        _dialled(scenario, attach)
        if attach.handshake is not None:
            return await _garble(request, attach.handshake)
        said = {"Content-Type": "application/json", **attach.headers}
        return web.Response(status=attach.status, body=attach.body.encode(), headers=said)


def _dialled(scenario: Scenario, attach: Attach) -> None:
    scenario.dialled.append(str(attach.status))
    scenario.dialled_at.append(time.monotonic())


def _credential(request: web.Request) -> str:
    return request.headers.get("Authorization", "") or request.headers.get("api-key", "")


async def _garble(request: web.Request, handshake: bytes) -> web.Response:
    transport = request.transport
    assert transport is not None
    transport.write(handshake)
    await asyncio.Event().wait()  # until the player closes
    raise AssertionError("nobody sets it")


async def _play(request: web.Request, scenario: Scenario, attach: Attach) -> web.StreamResponse:
    socket = web.WebSocketResponse(compress=False, autoping=not attach.mute)
    await socket.prepare(request)
    transport = request.transport
    assert transport is not None
    if attach.deaf:
        transport.pause_reading()
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, DEAF_BYTES)
    if attach.replaces:
        closing = [asyncio.create_task(older.close()) for older in scenario.sockets]
        scenario.replaced += closing
    scenario.sockets.append(socket)
    _dialled(scenario, attach)  # only now: who waits for it speaks on this socket, not on the one before
    with contextlib.suppress(ConnectionResetError):  # it may not want to hear all of it
        for frame in attach.frames:
            await _send(socket, [frame])
            scenario.sent += 1
    transport.write(attach.wire)
    if attach.reset:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
    if attach.cut or attach.reset:
        transport.abort()
    elif attach.close is not None:
        await socket.close(code=attach.close[0], message=attach.close[1].encode())
    async for message in socket:
        scenario.pings += message.type is WSMsgType.PING
        if message.type is WSMsgType.TEXT:
            scenario.heard.append(message.data)
    if not socket.closed:
        await socket.close(code=WSCloseCode.OK)
    return socket


async def _send(socket: web.WebSocketResponse, frames: list[str | bytes]) -> None:
    """Bytes go out as a text frame too: that is how bad UTF-8 gets onto a wire."""
    for frame in frames:
        raw = frame.encode() if isinstance(frame, str) else frame
        await socket.send_frame(raw, WSMsgType.BINARY if isinstance(frame, Binary) else WSMsgType.TEXT)
