"""The SQLite file itself: which one it is, and how it is opened.

It knows the driver and no transaction; those are sqlite.py's.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

from sqlalchemy import exc, make_url

from call_log.database import PATIENCE_SECONDS
from call_log.errors import StoreUnavailable
from call_log.sqlite_faults import is_of_the_code, sentence

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # NORMAL may lose a committed transaction when the power goes
    "PRAGMA wal_autocheckpoint=0",  # see checkpoint.py
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what was erased is overwritten in the file; see schema.py for what that misses
)


class File:
    """One database file, as all connections of this process open it."""

    def __init__(self, path: Path, patience: float = PATIENCE_SECONDS) -> None:
        self.path, self.patience = path, patience
        self._identity: tuple[int, int] | None = None

    @classmethod
    def at(cls, url: str, patience: float = PATIENCE_SECONDS) -> Self:
        """The file that a URL names; `patience` in seconds. Raises StoreUnavailable for a URL that names none."""
        parts = make_url(url)
        if not parts.database or parts.database == ":memory:" or parts.query:
            raise StoreUnavailable(
                "DATABASE_URL must name a file and nothing else: sqlite:///var/switchboard.db."
            )
        return cls(Path(parts.database).absolute(), patience)

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        return str(self.path)

    def connect(self, *, create: bool = False, read_only: bool = False) -> sqlite3.Connection:
        """A connection of the driver with our settings; it begins no transaction by itself.

        A missing file is an error unless `create`: a database that was deleted under us must not come back
        empty.
        """
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode={mode}",
            uri=True,
            timeout=self.patience,
            isolation_level=None,
            check_same_thread=False,
        )
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        self._identity = self._identity or self._identify()
        return connection

    def require_same(self) -> None:
        """Raises StoreUnavailable when the file was removed or replaced since it was opened first: what is
        written to the old one would be gone with the process."""
        if self._identity is not None and self._identify() != self._identity:
            raise StoreUnavailable(
                f"The call log {self.path} was removed or replaced while in use; "
                "put the right file in its place and restart this process."
            )

    @contextlib.contextmanager
    def faults_named(self) -> Iterator[None]:
        """Let the database's failures out as StoreUnavailable; faults of the code stay what they are."""
        try:
            yield
        except exc.TimeoutError as fault:
            raise StoreUnavailable(
                f"The call log {self.path} is too busy: no connection came free within {self.patience:g} s; "
                "look for transactions that last too long."
            ) from fault
        except exc.DBAPIError as fault:
            if is_of_the_code(fault):
                raise
            raise StoreUnavailable(f"The call log {self.path} {sentence(fault.orig)}") from fault
        except sqlite3.Error as fault:
            raise StoreUnavailable(f"The call log {self.path} {sentence(fault)}") from fault

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino
