"""A wire to PostgreSQL that is cut just when a COMMIT goes over it, before it arrives or before it is answered."""

from __future__ import annotations

import socket
import threading
from typing import Literal

from tests.black_hole import Wire

COMMIT = b"COMMIT\0"


class CommitCutter(Wire):
    """Armed, it cuts the next COMMIT that follows a piece of `after`, once."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._when: Literal["before", "after"] | None = None
        self._marked: set[socket.socket] = set()
        self._answered: socket.socket | None = None
        self._mark = b""
        self.cuts = threading.Semaphore(0)

    def arm(self, when: Literal["before", "after"], mark: bytes) -> None:
        """Cut `before` the server has the COMMIT, or `after` it has carried it out and says so; that of the next
        transaction in which `mark` goes over the wire."""
        self._marked.clear()
        self._when, self._mark = when, mark

    def forward(self, data: bytes, source: socket.socket, target: socket.socket) -> None:
        if source is self._answered:
            self._answered = None
            self._cut(source, target)
            return
        if self._when and self._mark in data:
            self._marked.add(source)
        if self._when and COMMIT in data and source in self._marked:
            when, self._when = self._when, None
            if when == "before":
                self._cut(source, target)
                return
            self._answered = target
        target.sendall(data)

    def _cut(self, *ends: socket.socket) -> None:
        for end in ends:
            end.shutdown(socket.SHUT_RDWR)
        self.cuts.release()
