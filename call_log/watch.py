"""The watch on SQLite: noticing a change of the store, cheaply, whoever made it. It knows a counter and no table."""

import sqlite3
import time

from call_log.database import News
from call_log.errors import StoreUnavailable
from call_log.sqlite_file import File


class CommitWatch:
    """A look at whether anything was committed to the file, by any process, since the last look.

    `PRAGMA data_version` on a connection of its own costs microseconds: it compares a counter in shared
    memory.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None

    def changed(self, within: float = 0.0) -> News:
        """Whether something was committed since the last look, whatever it was; it may have been at the first one, and
        at the first after a failure. SQLite tells nobody, so that the look comes when `within` is over. Raises
        StoreUnavailable."""
        time.sleep(within)
        try:
            with self._file.faults_named():
                return News.ANYTHING if self._look() else News.NOTHING
        except StoreUnavailable:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; a later look opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._seen = None, None

    def _look(self) -> bool:
        if self._connection is None:
            self._connection = self._file.connect(read_only=True)
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        seen, self._seen = self._seen, version
        return version != seen
