"""One WebSocket beside a call: dials it with the server's credential and hears what the upstream says on it.

Knows how a dial can be refused, and how a line shows that it lives. What a refusal or a close means for the call is
decided elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from dataclasses import replace

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, PayloadTooBig
from websockets.protocol import State

from observer.ending import BROKEN, Close
from observer.limits import Limits

REFUSAL_KEPT_BYTES = 4_096
FRAMES_WAITING = 0
"""A frame may be 16 MiB: while one waits, the socket is not read."""

BIG_BYTES = 256 * 1024
"""Of a bigger frame the next is not even begun to be read before it is done with: each of 16 MiB takes three times its
size while it comes, and again while it is written."""


class Refused(Exception):
    """The upstream answered the handshake with an HTTP status; `body` is the start of what it said."""

    def __init__(self, status: int, body: str, retry_after: str | None) -> None:
        super().__init__(f"the sideband was refused with {status}")
        self.status, self.body, self.retry_after = status, body, retry_after


class Unreachable(Exception):
    """No answer to the handshake, or none that makes sense."""


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """A redirect would take the server's credential elsewhere: it is a refusal like any other."""
        return exc


class _Connection(ClientConnection):
    """Does not wait for ever for a peer that said goodbye, or was told it, and then keeps the connection open."""

    _leaving = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._leaving and self.response is not None and self.protocol.close_expected():
            self._leaving = True
            self.loop.call_later(self.close_timeout or 0, self.transport.abort)


class Sideband:
    """An open sideband. Iterate over it for the frames; `closed` says afterwards how it ended."""

    def __init__(self, connection: ClientConnection, limits: Limits) -> None:
        self._connection, self._limits = connection, limits
        self._heard, self._listening, self._paused = 0, False, False
        self._alive_at = connection.loop.time()
        self._cut: str | None = None

    async def frames(self) -> AsyncGenerator[bytes]:
        """Each frame's bytes exactly as they came, text or not, until the socket closes."""
        try:
            while True:
                yield await self._hear()
        except ConnectionClosed:
            return

    async def _hear(self) -> bytes:
        self._listening = True
        self._read_on()
        try:
            # decode=False: bad UTF-8 is the log's to keep, not a reason to lose the socket.
            frame = await self._connection.recv(decode=False)
        finally:
            self._listening = False
        if len(frame) > BIG_BYTES:
            self._pause_reading()
        self._heard, self._alive_at = self._heard + 1, self._connection.loop.time()
        return frame

    def _pause_reading(self) -> None:
        if not self._connection.transport.is_closing():
            self._connection.transport.pause_reading()
            self._paused = True

    def _read_on(self) -> None:
        # Only where the pause is ours: the library has pauses of its own, while a frame waits.
        if self._paused and not self._connection.transport.is_closing():
            self._connection.transport.resume_reading()
        self._paused = False

    async def answers(self, seconds: float) -> bool:
        """Whether the line shows within so many seconds that it lives: a pong, a frame, or that it closed.

        A pong may stand behind frames that we chose not to read yet: then nothing can be said against the line.
        """
        heard = self._heard
        try:
            pong = await self._connection.ping()
            async with asyncio.timeout(seconds):
                await pong
        except TimeoutError:
            return self._heard > heard or not self._listening
        except ConnectionClosed:
            return True
        self._alive_at = self._connection.loop.time()
        return True

    async def send(self, event: str) -> None:
        """Say something to the upstream. Raises Unreachable where it did not take it in time: it may have come all the
        same."""
        try:
            async with asyncio.timeout(self._limits.send):
                await self._connection.send(event)
        except (TimeoutError, ConnectionClosed) as error:
            raise Unreachable(type(error).__name__) from None

    @property
    def closed(self) -> Close:
        """How the socket closed."""
        if self._cut is not None or self._connection.state is not State.CLOSED:
            close = Close(BROKEN, self._cut or "", ours=True)
        else:
            close = _close(self._connection.protocol.close_exc)
        if close.code != BROKEN:
            return close
        return replace(close, unheard=self._connection.loop.time() - self._alive_at)

    def cut(self, reason: str) -> None:
        """Drop a line that is good for nothing any more, without a word to the other side."""
        self._cut = reason
        self._connection.transport.abort()

    @property
    def is_drained(self) -> bool:
        """The upstream said goodbye, and everything that it had said before was heard."""
        return self._cut is None and self._connection.protocol.close_rcvd is not None

    async def leave(self) -> list[bytes]:
        """Close a sideband to which nobody listens any more; what was said until the upstream's goodbye. (A frame that
        waits stops the reading, and the goodbye behind it would never be seen.) One that says too much is cut off."""
        closing = asyncio.create_task(self.close())
        rest: list[bytes] = []
        room = self._limits.call_waiting_max_bytes
        async with contextlib.aclosing(self.frames()) as frames:
            async for frame in frames:
                rest.append(frame)
                room -= len(frame)
                if room < 0:
                    self.cut("flood")
                    break
        await closing
        return rest

    async def close(self) -> None:
        """Leave the call; it goes on without us. Takes at most as long as the limit says, whatever the peer does."""
        try:
            async with asyncio.timeout(self._limits.close):
                await self._connection.close()
        except TimeoutError:
            self._connection.transport.abort()


def _close(closed: ConnectionClosed) -> Close:
    """What was said first counts: a peer echoes our own close with a code that says nothing."""
    ours = closed.sent is not None and not closed.rcvd_then_sent
    said = closed.sent if ours else closed.rcvd
    if said is None:
        return Close(BROKEN, "")
    return Close(said.code, said.reason, ours, _size_of(closed.__cause__))


def _size_of(cause: BaseException | None) -> int | None:
    """Of the event that was too big: what had come of it, and the frame that was announced."""
    if not isinstance(cause, PayloadTooBig) or cause.size is None:
        return None
    return cause.size + (cause.current_size or 0)


async def dial(url: str, headers: dict[str, str], tls: ssl.SSLContext, limits: Limits) -> Sideband:
    """Attach to a call. Raises Refused or Unreachable.

    No compression: a small frame could unfold to anything. The library's keepalive is off, because it takes a socket
    that we don't read for a dead one; see `Sideband.answers`.
    """
    try:
        connection = await _Connect(
            url,
            additional_headers=headers,
            ssl=tls if url.startswith("wss:") else None,
            compression=None,
            max_size=limits.event_max_bytes,
            max_queue=FRAMES_WAITING,
            open_timeout=limits.handshake,
            close_timeout=limits.close,
            ping_interval=None,
            proxy=None,
            create_connection=_Connection,
        )
    except InvalidStatus as error:
        said = error.response
        body = (said.body or b"")[:REFUSAL_KEPT_BYTES].decode(errors="replace")
        raise Refused(said.status_code, body, said.headers.get("Retry-After")) from None
    except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
        raise Unreachable(type(error).__name__) from None
    return Sideband(connection, limits)
