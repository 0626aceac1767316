"""Upkeep on PostgreSQL: after an erasure, dead rows are vacuumed away. It knows which tables hold content.

VACUUM keeps a row version for as long as any transaction could still see it. So it waits, for a while, until
everybody who was at work when it was asked is done.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import psycopg

WITH_CONTENT = "events, texts, inbox, calls"
LOOK_EVERY_SECONDS = 0.05

_NEXT_XID = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_SOMEBODY_SEES_OLDER = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (age(backend_xmin) > age((%(xid)s %% 4294967296)::text::xid)
             OR age(backend_xid) > age((%(xid)s %% 4294967296)::text::xid))
    )
"""


class Vacuum:
    """One at a time for a process; on a session of its own."""

    def __init__(
        self,
        connect: "Callable[[], psycopg.Connection[Any]]",
        faults_named: Callable[[], contextlib.AbstractContextManager[None]],
        patience: float,
    ) -> None:
        self._connect, self._faults_named, self._patience = connect, faults_named, patience

    def run(self) -> None:
        """Nothing: the server makes its checkpoints itself."""

    def start_over(self) -> bool:
        """Vacuum the dead rows away; False while a transaction could still see them. Raises StoreUnavailable."""
        with self._faults_named(), self._connect() as connection:
            if not self._outlive_older_views(connection):
                return False
            connection.execute(f"VACUUM {WITH_CONTENT}".encode())
            return True

    def close(self) -> None:
        """Nothing is open."""

    def _outlive_older_views(self, connection: "psycopg.Connection[Any]") -> bool:
        xid = connection.execute(_NEXT_XID).fetchone()
        give_up_at = time.monotonic() + self._patience
        while connection.execute(_SOMEBODY_SEES_OLDER, {"xid": xid[0] if xid else 0}).fetchone() == (True,):
            if time.monotonic() > give_up_at:
                return False
            time.sleep(LOOK_EVERY_SECONDS)
        return True
