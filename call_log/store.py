"""The store: transactions on the database that holds the call log.

It knows how a transaction begins, what its failure is called, and that the tables are there; it refuses to
know what is in them. One store per process; its methods may be called from any thread.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import structlog
from sqlalchemy import Connection as Connection
from sqlalchemy import Engine, select

from call_log import mounts
from call_log.checkpoint import Checkpoint
from call_log.clock import DatabaseClock
from call_log.errors import SchemaBehind as SchemaBehind
from call_log.errors import StoreUnavailable as StoreUnavailable
from call_log.sqlite import PATIENCE_SECONDS, File
from call_log.watch import Watch as Watch

log = structlog.get_logger()


class Store:
    """The call log at a database URL: `sqlite:///var/switchboard.db` is a file below the working folder,
    `sqlite:////srv/switchboard.db` one at an absolute path.

    Making one opens nothing but makes the parent folder; the file itself is made by `python -m call_log
    upgrade`. Use it in the process that made it: SQLite's connections do not survive a fork.
    """

    def __init__(self, url: str, patience: float = PATIENCE_SECONDS) -> None:
        """`patience`: seconds that a transaction waits for its turn before StoreUnavailable. Raises it here for a URL
        of another kind, and for a folder that cannot be made."""
        self._file = File.at(url, patience)
        self._file.make_folder()
        self._readers, self._writer = self._file.engines()
        self._checkpoint = Checkpoint(self._file, self.writing, self.lock_folder / "checkpoint.lock")
        _warn_of_a_network_disk(self._file.path)

    @property
    def lock_folder(self) -> Path:
        """Where the nodes put their lock files: beside the database."""
        return self._file.lock_folder

    def require_current(self) -> None:
        """Raises SchemaBehind, with the command that helps, when the tables are older than this code."""
        from call_log import migrations  # alembic takes 0.2 s to import, and only the start needs it

        migrations.require_current(self._file)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads one snapshot. Keep it short: while it lasts, the WAL cannot start over."""
        with self._transaction(self._readers) as db:
            yield db

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write: has the write lock from the start, is on the disk when the block
        has ended, and is undone by any exception. Not reentrant."""
        self._file.require_same()
        with self._transaction(self._writer) as db:
            yield db

    def watch(self) -> Watch:
        """A cheap look at whether anything was committed; for one thread."""
        return Watch(self._file)

    def checkpoint(self) -> None:
        """Move what was committed from the WAL to the database, when this process is the one that does so."""
        self._checkpoint.run()

    def scrub(self) -> bool:
        """Make sure that what was erased is nowhere in the store's own files any more; False when that cannot
        be done now, or is another process's to do: ask again later. Backups and replicas are not its affair."""
        return self._checkpoint.start_over()

    def close(self) -> None:
        """Close what is not in use; the lease on the checkpoint goes to whoever asks next."""
        self._checkpoint.close()
        self._readers.dispose()
        self._writer.dispose()

    @contextlib.contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        with self._file.faults_named(), engine.begin() as db:
            yield db


def now(db: Connection) -> int:
    """UTC milliseconds by the database's clock."""
    return db.execute(select(DatabaseClock())).scalar_one()


def _warn_of_a_network_disk(path: Path) -> None:
    kind = mounts.network_file_system(path)
    if kind is not None:
        log.warning(
            "call_log_on_network_disk",
            path=str(path),
            file_system=kind,
            hint="SQLite's locks are not safe there: put DATABASE_URL on a local disk.",
        )
