"""The watch on PostgreSQL: a hint arrives as a notification, and what no hint tells of is found by looking anyway.

Hints are sent by the web's transactions alone. NOTIFY takes a lock that all commits share; those that write events
must not queue for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from call_log.database import News
from call_log.errors import StoreUnavailable

if TYPE_CHECKING:  # whoever leaves a hint needs no driver, which takes 0.15 s to import
    import psycopg

CHANNEL = "switchboard"
LOOK_ANYWAY_SECONDS = 0.1

_HINT = text(f"SELECT pg_notify('{CHANNEL}', :news)")


def hint(db: Connection, news: News = News.ANYTHING) -> None:
    """Tell the watches of this database, once this transaction is committed, that it left something for them. On
    SQLite there is nothing to do: its watch sees every commit."""
    if db.dialect.name == "postgresql":
        db.execute(_HINT, {"news": news.name})


class NotifiedWatch:
    """Says at each hint what it says, and every 0.1 s that there may be anything."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        faults_named: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._connect, self._faults_named = connect, faults_named
        self._connection: psycopg.Connection[Any] | None = None
        self._looked_at = 0.0

    def changed(self, within: float = 0.0) -> News:
        """What it is worth reading now; where it may wait at all, it does until a hint comes or it is time to look
        anyway. Raises nothing: without a session there are no hints, and whoever reads finds out what is wrong."""
        left = max(0.0, self._looked_at + LOOK_ANYWAY_SECONDS - time.monotonic())
        try:
            with self._faults_named():
                hinted = self._hinted(left if within else 0.0)
        except StoreUnavailable:
            self.close()
            hinted = News.NOTHING
        now = time.monotonic()
        if hinted is News.ANYTHING or now - self._looked_at >= LOOK_ANYWAY_SECONDS:
            self._looked_at = now
            return News.ANYTHING
        return hinted

    def close(self) -> None:
        """Close the session; a later look opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _hinted(self, within: float) -> News:
        if self._connection is None:
            if self._looked_at + LOOK_ANYWAY_SECONDS > time.monotonic():
                time.sleep(within)  # a server that is away is not asked all the time
                return News.NOTHING
            self._connection = self._connect()
            self._connection.execute(f"LISTEN {CHANNEL}".encode())
        hints = {one.payload for one in self._connection.notifies(timeout=within, stop_after=1)}
        if hints <= {News.MESSAGES.name}:
            return News.MESSAGES if hints else News.NOTHING
        return News.ANYTHING
