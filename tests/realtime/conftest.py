"""A tiny upstream on a real socket that misbehaves as it is told, and the recordings under tests/wire."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from realtime import endpoints
from realtime.client import Client
from realtime.credential import ApiKey
from realtime.secret import Secret
from tests.realtime.steps import KEY

# A busy machine is not a slow fold: what must be fast is measured in tests of its own.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

WIRE = Path(__file__).parents[1] / "wire"
Frames = list[bytes]


class Line:
    """One request as it came in, and the socket to answer on with whatever bytes a test wants."""

    def __init__(self, request: http.server.BaseHTTPRequestHandler, over: threading.Event) -> None:
        self.method, self.path = request.command, request.path
        self.headers = {key.lower(): value for key, value in request.headers.items()}
        self.body = request.rfile.read(int(self.headers.get("content-length", "0")))
        self.over = over
        self._request = request

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        named = {"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in headers.items()}
        lines = [f"HTTP/1.1 {status} X", *(f"{k}: {v}" for k, v in named.items()), "", ""]
        self.send("\r\n".join(lines).encode("latin-1") + body)

    def answer_json(self, status: int, value: Any, **headers: str) -> None:
        self.answer(status, json.dumps(value).encode(), **headers)

    def send(self, raw: bytes) -> None:
        self._request.wfile.write(raw)
        self._request.wfile.flush()

    def drip(self, raw: bytes) -> None:
        """A byte each 50 ms until the test is over or the other side has left."""
        for byte in raw:
            if self.over.wait(0.05):
                return
            self.send(bytes([byte]))

    def hang(self) -> None:
        self.over.wait(30)

    def reset(self) -> None:
        self._request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        os.close(self._request.connection.detach())  # close() would wait for the files made of the socket


class TinyUpstream:
    """`does` answers each request; `lines` holds them all, `connections` counts sockets."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.connections = 0
        self.does: Callable[[Line], None] = lambda line: line.answer(500)
        self.over = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        tiny = self

        class Request(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                tiny.connections += 1
                super().setup()

            def do_POST(self) -> None:
                line = Line(self, tiny.over)
                tiny.lines.append(line)
                try:
                    tiny.does(line)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST

            def finish(self) -> None:
                try:
                    super().finish()
                except OSError:
                    return

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    return

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Request

    def paths(self) -> list[str]:
        return [line.path for line in self.lines]

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[TinyUpstream]:
    tiny = TinyUpstream()
    yield tiny
    tiny.close()


def _recording(name: str) -> Frames:
    frames = json.loads((WIRE / name).read_text("utf-8"))["frames"]
    return [json.dumps(f["event"]).encode() for f in frames if f["direction"] == "received"]


@pytest.fixture(scope="session")
def text_turn() -> Frames:
    return _recording("azure_sideband_text_turn.json")


@pytest.fixture(scope="session")
def voice_turn() -> Frames:
    return _recording("azure_voice_turn.json")


@pytest.fixture(scope="session")
def tool_round() -> Frames:
    return _recording("azure_tool_call_round.json")


@pytest.fixture(scope="session")
def exchanges() -> dict[str, list[dict[str, Any]]]:
    """Recorded HTTP exchanges by the file's name."""
    names = ("azure_mint_and_call", "openai_call", "openai_mint")
    return {name: json.loads((WIRE / f"{name}.json").read_text("utf-8"))["exchanges"] for name in names}


@pytest.fixture
def azure(upstream: TinyUpstream) -> Iterator[Client]:
    client = Client(endpoints.azure(upstream.address), ApiKey("azure", Secret(KEY)))
    yield client
    client.close()


@pytest.fixture
def openai(upstream: TinyUpstream) -> Iterator[Client]:
    client = Client(endpoints.openai(upstream.address), ApiKey("openai", Secret(KEY)))
    yield client
    client.close()
