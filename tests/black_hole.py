"""A wire between two programs that can be cut, or begin to swallow: nothing is closed, and nothing arrives any more."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Wire:
    """Forwards to `url`; `self.url` is its own address."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        place = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.url, self.postgres_url = (
            f"http://{place}",
            f"postgresql://{self._to.username}@{place}{self._to.path}",
        )
        self._open: list[socket.socket] = []
        self._swallowing: set[socket.socket] = set()
        self._is_cut = self._hangs = False
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """From now on, whatever goes over the connections that are open now is lost. New ones are not touched."""
        self._swallowing |= set(self._open)

    def hang(self) -> None:
        """Swallow, on new connections too, until it is mended."""
        self._hangs = True
        self.swallow()

    def cut(self) -> None:
        """End every connection, and every new one at once, until it is mended."""
        self._is_cut = True
        for each in self._open:
            _end(each)

    def mend(self) -> None:
        """New connections get through again."""
        self._is_cut = self._hangs = False

    def close(self) -> None:
        """Close everything."""
        for each in (self._listening, *self._open):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            far = socket.create_connection((self._to.hostname or "", self._to.port or 0))
            self._open += [near, far]
            if self._hangs:
                self.swallow()
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def forward(self, data: bytes, source: socket.socket, target: socket.socket) -> None:
        """One piece of what goes over it."""
        target.sendall(data)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if source not in self._swallowing:
                    self.forward(data, source, target)
            if source not in self._swallowing:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            return


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
