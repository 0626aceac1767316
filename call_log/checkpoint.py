"""The checkpoint: moving what was committed from the WAL into the database file, by one process alone.

SQLite before 3.51.3 has a bug (from 3.7.0 on) that can corrupt the file: a checkpoint in one connection
races with another connection that, finding the WAL wholly moved, starts it over from the beginning. Debian
12 has 3.40. So no connection of ours checkpoints by itself (wal_autocheckpoint=0), and one process, the
holder of the lease, does it while it also holds the write lock on another connection: nobody can write
then, and only a writer starts the WAL over. PASSIVE waits for no reader and blocks none. The WAL starts
over with the first write after a checkpoint that moved everything, when no reader is left in it; until then
it grows. (The last connection of all to close moves everything too; by then it is alone.)
"""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from call_log.errors import StoreUnavailable
from call_log.lock import FileLock
from call_log.sqlite import File


class Checkpoint:
    """This process's part in it."""

    def __init__(
        self, file: File, writing: Callable[[], contextlib.AbstractContextManager[Connection]], lease: Path
    ) -> None:
        self._file = file
        self._writing = writing
        self._lease = FileLock(lease)
        self._connection: sqlite3.Connection | None = None

    def run(self) -> None:
        """Move what can be moved, if this process has the lease or can have it. Raises StoreUnavailable."""
        if not (self._lease.taken or self._lease.acquire()):
            return
        try:
            with self._writing(), self._file.faults_named():
                self._connection = self._connection or self._file.connect()
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except StoreUnavailable:
            self._disconnect()
            raise

    def close(self) -> None:
        """Give up the lease."""
        self._disconnect()
        self._lease.release()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
