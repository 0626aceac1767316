"""One WebSocket beside a call: dials it with the server's credential and hears what the upstream says on it.

Knows how a dial can be refused. What a refusal means for the call is decided elsewhere.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from observer.ending import Close
from observer.limits import Limits

REFUSAL_KEPT_BYTES = 4_096
BROKEN = 1006


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


class Sideband:
    """An open sideband. Iterate over it for the frames; `closed` says afterwards how it ended."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def frames(self) -> AsyncIterator[bytes]:
        """Each frame's bytes exactly as they came, text or not, until the socket closes."""
        try:
            while True:
                # decode=False: bad UTF-8 is the log's to keep, not a reason to lose the socket.
                yield await self._connection.recv(decode=False)
        except ConnectionClosed:
            return

    @property
    def closed(self) -> Close:
        """How the socket closed."""
        return Close(self._connection.close_code or BROKEN, self._connection.close_reason or "")

    async def close(self) -> None:
        """Leave the call; it goes on without us."""
        await self._connection.close()


async def dial(url: str, headers: dict[str, str], tls: ssl.SSLContext, limits: Limits) -> Sideband:
    """Attach to a call. Raises Refused or Unreachable.

    No compression (a small frame could unfold to anything), pings every 20 s, so that a line that died without a
    word is noticed within 40 s.
    """
    try:
        connection = await _Connect(
            url,
            additional_headers=headers,
            ssl=tls if url.startswith("wss:") else None,
            compression=None,
            max_size=limits.event_max_bytes,
            open_timeout=limits.handshake,
            proxy=None,
        )
    except InvalidStatus as error:
        said = error.response
        body = (said.body or b"")[:REFUSAL_KEPT_BYTES].decode(errors="replace")
        raise Refused(said.status_code, body, said.headers.get("Retry-After")) from None
    except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
        raise Unreachable(type(error).__name__) from None
    return Sideband(connection)
