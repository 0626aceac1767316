"""The server's end of a sideband WebSocket: sends in order, closes last, and can be told to behave like a broken one.

Frames are written to the transport at once, without a queue or a task of their own: thousands of calls speak in one
process. Understands no event.
"""

import asyncio
import socket
import struct

from aiohttp import WSMsgType, web

MOST_WAITING_BYTES = 128 * 1024 * 1024
"""What may wait for a client that does not read; then its connection is cut."""
CUT_OFF = 1006
"""The code by which a WebSocket client names a connection that ended without a close frame."""


class Sideband:
    """`code` and `by` say afterwards how it ended: `by` is "client" or "emulator", 1006 is a cut connection."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._socket, self._transport = socket, transport
        self._closing: asyncio.Task[bool] | None = None
        self._mute = False
        self.ended = asyncio.Event()
        """It was cut off by us; nothing more will come of it."""
        self.by, self.code = "client", CUT_OFF
        self.dead = False
        """Half open: it looks alive to the client, and is none."""

    def send(self, text: str) -> bool:
        """Whether the event is on its way."""
        return self.send_frame(text.encode("utf-8", "surrogatepass"))

    def send_frame(self, payload: bytes, opcode: int = WSMsgType.TEXT) -> bool:
        """The same for bytes as they are, good or bad."""
        transport = self._transport
        if transport is None or self._mute or self._closing or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > MOST_WAITING_BYTES:
            self._cut_off()
            return False
        transport.write(_header(len(payload), opcode) + payload)
        return True

    def finish(self, code: int, reason: str) -> None:
        """Close, after everything that was sent before has gone out; `CUT_OFF` closes without a close frame."""
        if self._closing or self.dead:
            return
        self.by, self.code = "emulator", code
        if code == CUT_OFF:
            self._cut_off()
            return
        self._closing = asyncio.create_task(self._socket.close(code=code, message=reason.encode()))

    def fall_silent(self) -> None:
        """Attached, and nothing is ever said on it; pings are answered."""
        self._mute = True

    def stop_reading(self) -> None:
        """What the client sends piles up; what we send still goes out."""
        if self._transport is not None:
            self._transport.pause_reading()

    def die_quietly(self) -> None:
        """Half open: nothing is sent, read or answered any more, no ping either, and no FIN tells of it."""
        self.by, self.code, self.dead = "emulator", CUT_OFF, True
        self.fall_silent()
        self.stop_reading()

    def reset(self) -> None:
        """Cut off by RST: the kernel throws away what it has not sent, and tells the client that something broke."""
        if self._transport is not None and (raw := self._transport.get_extra_info("socket")):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.code = CUT_OFF
        self._cut_off()

    def drop_dead(self) -> None:
        """The end of a half-open one, when nobody cares any more."""
        self._cut_off()

    async def closed(self) -> None:
        """Its reader is done: wait until the socket is closed."""
        if self.by == "client" and self._closing is None:
            self.code = self._socket.close_code or CUT_OFF
        if self._closing is not None:
            await self._closing
        elif not self._socket.closed:
            await self._socket.close()

    def _cut_off(self) -> None:
        self._mute = True
        self.by = "emulator"
        self.ended.set()
        if self._transport is not None:
            self._transport.abort()


def _header(length: int, opcode: int) -> bytes:
    """A frame's header as a server writes it: final, not masked (RFC 6455, section 5.2)."""
    first = 0x80 | opcode
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
