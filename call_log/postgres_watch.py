"""The watch on PostgreSQL: a hint arrives as a notification, and what no hint tells of is found by looking anyway.

Hints are sent by the web's transactions alone. NOTIFY takes a lock that all commits share; those that write events
must not queue for it.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy import Connection, text

from call_log.errors import StoreUnavailable

CHANNEL = "switchboard"
LOOK_ANYWAY_SECONDS = 0.1

_HINT = text(f"SELECT pg_notify('{CHANNEL}', '')")


def hint(db: Connection) -> None:
    """Tell the watches of this database, once this transaction is committed, that it left something for them. On
    SQLite there is nothing to do: its watch sees every commit."""
    if db.dialect.name == "postgresql":
        db.execute(_HINT)


class NotifiedWatch:
    """Says "changed" at each hint, and every 0.1 s."""

    def __init__(
        self,
        connect: "Callable[[], psycopg.Connection[Any]]",
        faults_named: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._connect, self._faults_named = connect, faults_named
        self._connection: psycopg.Connection[Any] | None = None
        self._looked_at = 0.0

    def changed(self, within: float = 0.0) -> bool:
        """Whether it is worth reading now, or within so many seconds. Raises nothing: without a session there are no
        hints, and whoever reads finds out what is wrong."""
        left = max(0.0, self._looked_at + LOOK_ANYWAY_SECONDS - time.monotonic())
        try:
            with self._faults_named():
                hinted = self._hinted(min(within, left))
        except StoreUnavailable:
            self.close()
            hinted = False
        now = time.monotonic()
        due = now - self._looked_at >= LOOK_ANYWAY_SECONDS
        if hinted or due:
            self._looked_at = now
        return hinted or due

    def close(self) -> None:
        """Close the session; a later look opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _hinted(self, within: float) -> bool:
        if self._connection is None:
            if self._looked_at + LOOK_ANYWAY_SECONDS > time.monotonic():
                time.sleep(within)  # a server that is away is not asked all the time
                return False
            self._connection = self._connect()
            self._connection.execute(f"LISTEN {CHANNEL}".encode())
        return bool(list(self._connection.notifies(timeout=within, stop_after=1)))
