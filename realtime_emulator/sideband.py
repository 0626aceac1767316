"""The server's end of a sideband WebSocket: sends in order, closes last. Understands no event."""

import asyncio

from aiohttp import ClientConnectionResetError, web

MOST_WAITING = 20_000
"""Events that may wait for a client that does not read; then its connection is cut."""
CUT_OFF = 1006
"""The code by which a WebSocket client names a connection that ended without a close frame."""


class Sideband:
    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._socket, self._transport = socket, transport
        self._waiting: asyncio.Queue[str | tuple[int, str]] = asyncio.Queue()

    def send(self, text: str) -> None:
        if self._waiting.qsize() > MOST_WAITING and self._transport is not None:
            self._transport.abort()
            return
        self._waiting.put_nowait(text)

    def finish(self, code: int, reason: str) -> None:
        """Close, after everything that was sent before has gone out; `CUT_OFF` closes without a close frame."""
        if code == CUT_OFF and self._transport is not None:
            self._transport.abort()
            return
        self._waiting.put_nowait((code, reason))

    async def write(self) -> None:
        """Carries out `send` and `finish`; returns when the socket is closed."""
        while True:
            thing = await self._waiting.get()
            try:
                if isinstance(thing, tuple):
                    await self._socket.close(code=thing[0], message=thing[1].encode())
                    return
                await self._socket.send_str(thing)
            except (ClientConnectionResetError, ConnectionError):
                return  # the client is gone; its reader notices and detaches
