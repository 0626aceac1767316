"""The store: transactions on the database that holds the call log.

It knows how a transaction begins, what its failure is called, and that the tables are there; it refuses to
know what is in them. One store per process; its methods may be called from any thread.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection as Connection
from sqlalchemy import select

from call_log import revisions
from call_log.clock import DatabaseClock
from call_log.database import LONGEST_SECONDS, PATIENCE_SECONDS, Database
from call_log.database import News as News
from call_log.database import Watch as Watch
from call_log.errors import SchemaBehind as SchemaBehind
from call_log.errors import StoreUnavailable as StoreUnavailable
from call_log.sqlite import Sqlite


def database_at(url: str, patience: float = PATIENCE_SECONDS, longest: float = LONGEST_SECONDS) -> Database:
    """The database that a URL names; nothing is opened. Raises StoreUnavailable for a URL that names none."""
    scheme, is_url, _ = url.partition("://")
    if not is_url:
        raise StoreUnavailable("DATABASE_URL is not a URL; write sqlite:///var/switchboard.db.")
    kind = scheme.partition("+")[0]
    if kind == "sqlite":
        return Sqlite.at(url, patience)
    if kind in ("postgresql", "postgres"):
        from call_log.postgres import Server  # its driver takes 0.15 s to import, and a file needs none

        return Server.at(url, patience, longest)
    raise StoreUnavailable(
        f"DATABASE_URL names {kind}; write sqlite:///var/switchboard.db, "
        "or postgresql://user:password@host:5432/switchboard."
    )


class Store:
    """The call log at a database URL: `sqlite:///var/switchboard.db` is a file below the working folder,
    `sqlite:////srv/switchboard.db` one at an absolute path, `postgresql://user:password@host:5432/switchboard` a
    database on a server.

    Making one opens nothing but makes the parent folder of a file; the tables are made by `python -m call_log
    upgrade`. Use it in the process that made it: no connection survives a fork.
    """

    def __init__(
        self, url: str, patience: float = PATIENCE_SECONDS, longest: float = LONGEST_SECONDS
    ) -> None:
        """`patience`: seconds that a transaction waits for its turn before StoreUnavailable; `longest`: seconds that a
        statement may take on a server. Raises it here for a URL of another kind, and for a folder that cannot be
        made."""
        self._database = database_at(url, patience, longest)
        self._database.prepare()
        self._readers, self._writer = self._database.engines()
        self._write = self._database.writing(self._writer)
        self._upkeep = self._database.upkeep(self.writing)

    @property
    def lock_folder(self) -> Path:
        """Where the nodes of this machine put their lock files and journals: beside the file, or, where the database is
        on a server, below the working folder."""
        return self._database.lock_folder

    def require_current(self) -> None:
        """Raises SchemaBehind, with the command that helps, when the tables are older than this code."""
        revisions.require_current(self._database)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads one snapshot. Keep it short: while it lasts, the WAL cannot start over."""
        with self._database.faults_named(), self._readers.begin() as db:
            yield db

    @contextlib.contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction that may write: has the write lock from the start, is on the disk when the block
        has ended, and is undone by any exception; other threads' may be committed with it, if it need not be
        `alone`. Not reentrant."""
        self._database.require_same()
        with self._write(alone=alone) as db:
            yield db

    def watch(self) -> Watch:
        """A cheap look at whether anything was committed; for one thread."""
        return self._database.watch()

    def checkpoint(self) -> None:
        """Move what was committed from the WAL to the database, when this process is the one that does so."""
        self._upkeep.run()

    def scrub(self) -> bool:
        """Make sure that what was erased is nowhere in the store's own files any more; False when that cannot
        be done now, or is another process's to do: ask again later. Backups and replicas are not its affair."""
        return self._upkeep.start_over()

    def close(self) -> None:
        """Close what is not in use; the lease on the checkpoint goes to whoever asks next."""
        self._upkeep.close()
        self._readers.dispose()
        self._writer.dispose()


def now(db: Connection) -> int:
    """UTC milliseconds by the database's clock."""
    return db.execute(select(DatabaseClock())).scalar_one()
