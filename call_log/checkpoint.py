"""The checkpoint: moving what was committed from the WAL into the database file, by one process alone.

SQLite before 3.51.3 has a bug (from 3.7.0 on) that can corrupt the file: a checkpoint in one connection
races with another connection that, finding the WAL wholly moved, starts it over from the beginning. Debian
12 has 3.40. So no connection of ours checkpoints by itself (wal_autocheckpoint=0), and one process, the
holder of the lease, does it, in two steps, so that nobody can start the WAL over meanwhile:

1. Most of it is moved while others write, under the guard of a reader of our own. A reader that is in the
   WAL keeps it from being started over; one that found it wholly moved is not in it, but then it holds the
   lock that a checkpoint needs (WAL_READ_LOCK(0)), and there is nothing to move.
2. What was written meanwhile is moved while we hold the write lock: only a writer starts the WAL over. That
   step alone keeps others waiting; without the first, it did so for a fifth of a busy second.

PASSIVE waits for no reader and blocks none. The WAL starts over with the first write after a checkpoint that
moved everything, when no reader is left in it; until then it grows. (The last connection of all to close
moves everything too; by then it is alone.)

After an erasure the WAL still holds the old pages. `wal_checkpoint(TRUNCATE)` would drop them, but where it does
not get the write lock in time it silently becomes a PASSIVE one without that lock: the race above. So the WAL is
started over in the ordinary way, by a write on a connection whose `journal_size_limit` makes SQLite cut the file
to what that write needs.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import structlog

from call_log.database import Writing
from call_log.errors import StoreUnavailable
from call_log.lock import FileLock
from call_log.sqlite_file import File

WAL_HEADER_BYTES = 32
WAL_LARGE_BYTES = 128 * 1024 * 1024
"""Of a thousand calls that say 5,000 events a second it has 75 MiB, with nobody in its way."""
log = structlog.get_logger()

_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoint:
    """This process's part in it."""

    def __init__(self, file: File, writing: Writing, lease: Path) -> None:
        self._file = file
        self._writing = writing
        self._lease = FileLock(lease)
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._guard: sqlite3.Connection | None = None
        self._warned = False

    def run(self) -> None:
        """Move what can be moved, if this process has the lease or can have it. Raises StoreUnavailable."""
        with self._in_turn():
            if self._move() is not None:
                self._warn_of_size()

    def start_over(self) -> bool:
        """Move everything, and cut what the WAL held before. False when another process has the lease, or while
        a reader still needs the WAL: try again later. Raises StoreUnavailable."""
        with self._in_turn():
            connection = self._move()
            return connection is not None and self._write_anew(connection)

    def close(self) -> None:
        """Give up the lease."""
        self._disconnect()
        self._lease.release()

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        with self._turn:
            try:
                with self._file.faults_named():
                    yield
            except StoreUnavailable:
                self._disconnect()
                raise

    def _move(self) -> sqlite3.Connection | None:
        """The connection that did it, None without the lease."""
        if not (self._lease.taken or self._lease.acquire()):
            return None
        self._connection = self._connection or self._connect()
        with self._guarding():
            self._connection.execute(_CHECKPOINT).fetchone()
        # Alone: where others' rows are committed behind it, or with it, the next writer finds something left to move,
        # and does not start the WAL over.
        with self._writing(alone=True):
            self._connection.execute(_CHECKPOINT).fetchone()
        return self._connection

    @contextlib.contextmanager
    def _guarding(self) -> Iterator[None]:
        """Be a reader of the database as it is now."""
        self._guard = self._guard or self._file.connect(read_only=True)
        self._guard.execute("BEGIN")
        try:
            self._guard.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            yield
        finally:
            self._guard.execute("ROLLBACK")

    def _warn_of_size(self) -> None:
        """Once, when the WAL has grown so large that somebody must be reading for very long."""
        size = self._wal().stat().st_size if self._wal().exists() else 0
        if size > WAL_LARGE_BYTES and not self._warned:
            log.warning(
                "wal_large", bytes=size, hint="a transaction that reads keeps it from starting over; end it"
            )
        self._warned = size > WAL_LARGE_BYTES

    def _wal(self) -> Path:
        return self._file.path.with_name(f"{self._file.path.name}-wal")

    def _write_anew(self, connection: sqlite3.Connection) -> bool:
        connection.execute("BEGIN IMMEDIATE")
        before = self._wal_header()
        # Any write will do; this number is the application's own, and we have no other use for it.
        connection.execute("PRAGMA user_version=0")
        connection.execute("COMMIT")
        # Only a checkpoint lets the WAL start over, and we alone make them: a new header is of our own write.
        return self._wal_header() != before

    def _wal_header(self) -> bytes:
        """Its salts are new each time that the WAL starts over."""
        with self._wal().open("rb") as wal:
            return wal.read(WAL_HEADER_BYTES)

    def _connect(self) -> sqlite3.Connection:
        connection = self._file.connect()
        connection.execute("PRAGMA journal_size_limit=0")
        return connection

    def _disconnect(self) -> None:
        for connection in filter(None, (self._connection, self._guard)):
            connection.close()
        self._connection = self._guard = None
