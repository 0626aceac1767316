"""A wire between two programs that can begin to swallow: nothing is closed, and nothing arrives any more."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit


class Wire:
    """Forwards to `url`; `self.url` is its own address."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._swallowing: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """From now on, whatever goes over the connections that are open now is lost. New ones are not touched."""
        self._swallowing |= set(self._open)

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
            far = socket.create_connection((self._to.hostname or "", self._to.port or 0))
            self._open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if source not in self._swallowing:
                    target.sendall(data)
            if source not in self._swallowing:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            return
