"""The SQLite file: how it is opened, and what its errors mean in words.

Everything that is peculiar to this database is here, in `checkpoint` and in `watch`; the statements of the
other files are not. `postgres` is the same for the other one.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, exc, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext

from call_log import mounts
from call_log.checkpoint import Checkpoint
from call_log.database import PATIENCE_SECONDS, Upkeep, Watch, Writing
from call_log.errors import SchemaBehind, StoreUnavailable
from call_log.lock import FileLock
from call_log.sharing import Shared
from call_log.watch import CommitWatch

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 0.001
"""How often whoever waits for the write lock looks for it."""

READERS = 40
"""Reading transactions at once: the web's 32 threads and a few of the observer's."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # NORMAL may lose a committed transaction when the power goes
    "PRAGMA wal_autocheckpoint=0",  # see checkpoint.py
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what was erased is overwritten in the file; see schema.py for what that misses
)

# By the first words of SQLite's own name of the error; the first that fits.
_SENTENCES = {
    "SQLITE_BUSY": "was locked by another process for too long; find what holds it and end that.",
    "SQLITE_LOCKED": "was locked by another process for too long; find what holds it and end that.",
    "SQLITE_FULL": "cannot grow because its disk is full; free some space, nothing else is needed.",
    "SQLITE_IOERR": "got an I/O error from its disk; look into the kernel's log and check that disk.",
    "SQLITE_CANTOPEN": "cannot be opened; give this user the right to write the file and its folder, or, "
    "if it is missing, make it with: python -m call_log upgrade",
    "SQLITE_READONLY": "may not be written; give this user the right to write the file and its folder.",
    "SQLITE_PERM": "may not be opened; give this user the right to read and write the file and its folder.",
    "SQLITE_CORRUPT": "is damaged; stop all processes, keep a copy of the file, and restore a backup.",
    "SQLITE_NOTADB": "is not an SQLite database; DATABASE_URL names the wrong file.",
}

_FAULTS_OF_THE_CODE = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)


class File:
    """One database file, as all connections of this process open it."""

    def __init__(self, path: Path, patience: float = PATIENCE_SECONDS) -> None:
        self.path, self._patience = path, patience
        self._identity: tuple[int, int] | None = None

    @classmethod
    def at(cls, url: str, patience: float = PATIENCE_SECONDS) -> "File":
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

    @property
    def lock_folder(self) -> Path:
        """The folder for lock files, beside the database."""
        return self.path.with_name(f"{self.path.name}-locks")

    def prepare(self) -> None:
        """Make the parent folder and the one for locks; warn of a network disk. Raises StoreUnavailable."""
        _warn_of_a_network_disk(self.path)
        try:
            self.lock_folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise StoreUnavailable(
                f"The call log's folder {self.path.parent} cannot be made or written ({fault.strerror}); "
                "make it and give this user the right to write it."
            ) from fault

    def connect(self, *, create: bool = False, read_only: bool = False) -> sqlite3.Connection:
        """A connection of the driver with our settings; it begins no transaction by itself.

        A missing file is an error unless `create`: a database that was deleted under us must not come back
        empty.
        """
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode={mode}",
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
        )
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        self._identity = self._identity or self._identify()
        return connection

    def engines(self) -> tuple[Engine, Engine]:
        """One engine whose transactions read, and one whose transactions write.

        Queue pools, because opening the file and setting it up costs more than most transactions, and
        because they are bounded: a thread that gets no connection waits, and is told after a while. A
        connection may wander between threads (check_same_thread is off): the pool lends it to one at a
        time, and SQLite is built for it.

        One writing connection per process is enough, for the file has one writer at a time.
        """
        readers = self.engine("BEGIN", partial(self.connect, read_only=True), size=8, most=READERS)
        return readers, self.engine("BEGIN IMMEDIATE", partial(self.connect), size=1, most=1)

    def writing(self, writer: Engine) -> Writing:
        """Threads that write at once share a transaction. In SQLite's busy handler they would sleep and starve."""
        return Shared(writer, self._patience, self.faults_named).take_part

    def engine(self, begin: str, connect: "partial[sqlite3.Connection]", *, size: int, most: int) -> Engine:
        """An engine whose transactions start with `begin`; `size` connections stay open, `most` can be."""
        engine = create_engine(
            "sqlite+pysqlite://",
            creator=connect,
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=most - size,
            pool_timeout=self._patience,
            pool_use_lifo=True,
        )
        event.listen(engine, "begin", partial(_begin, begin, self._patience))
        event.listen(engine, "handle_error", _reopen_after_a_fault)
        event.listen(engine, "invalidate", _let_go)
        return engine

    def require_same(self) -> None:
        """Raises StoreUnavailable when the file was removed or replaced since it was opened first: what is
        written to the old one would be gone with the process."""
        if self._identity is not None and self._identify() != self._identity:
            raise StoreUnavailable(
                f"The call log {self.path} was removed or replaced while in use; "
                "put the right file in its place and restart this process."
            )

    @contextlib.contextmanager
    def inspecting(self) -> Iterator[Connection]:
        """A transaction that reads, on a connection of its own. Raises SchemaBehind when the file is missing."""
        if not self.path.exists():
            raise SchemaBehind(
                f"The call log {self.path} does not exist yet; run: python -m call_log upgrade"
            )
        with self._alone("BEGIN", partial(self.connect, read_only=True)) as db:
            yield db

    @contextlib.contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A transaction that may make the file and its tables; the second of two waits until the first is done."""
        turn = FileLock(self.lock_folder / "upgrade.lock")
        turn.acquire(wait=True)
        try:
            with self._alone("BEGIN IMMEDIATE", partial(self.connect, create=True)) as db:
                yield db
        finally:
            turn.release()

    def damage(self) -> str | None:
        """What SQLite itself finds wrong in the file, in its words; None where it finds nothing, or no file. Reads all
        of it; waits while somebody changes the tables, whom a reader would be in the way."""
        turn = FileLock(self.lock_folder / "upgrade.lock")
        turn.acquire(wait=True)
        try:
            return self._damage() if self.path.exists() else None
        finally:
            turn.release()

    def _damage(self) -> str | None:
        with contextlib.closing(self.connect(read_only=True)) as connection:
            try:
                (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.DatabaseError as fault:
                return str(fault)
        return None if found == "ok" else str(found).splitlines()[-1]

    def watch(self) -> Watch:
        """Compares the file's counter of commits."""
        return CommitWatch(self)

    def upkeep(self, writing: Writing) -> Upkeep:
        """The checkpoint, which is one process's."""
        return Checkpoint(self, writing, self.lock_folder / "checkpoint.lock")

    @contextlib.contextmanager
    def _alone(self, begin: str, connect: "partial[sqlite3.Connection]") -> Iterator[Connection]:
        engine = self.engine(begin, connect, size=1, most=1)
        try:
            with self.faults_named(), engine.begin() as db:
                yield db
        finally:
            engine.dispose()

    @contextlib.contextmanager
    def faults_named(self) -> Iterator[None]:
        """Let the database's failures out as StoreUnavailable; faults of the code stay what they are."""
        try:
            yield
        except exc.TimeoutError as fault:
            raise StoreUnavailable(
                f"The call log {self.path} is too busy: no connection came free within {self._patience:g} s; "
                "look for transactions that last too long."
            ) from fault
        except exc.DBAPIError as fault:
            if isinstance(fault, _FAULTS_OF_THE_CODE):
                raise
            raise StoreUnavailable(self._sentence(fault.orig)) from fault
        except sqlite3.Error as fault:
            raise StoreUnavailable(self._sentence(fault)) from fault

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _sentence(self, fault: BaseException | None) -> str:
        name = _error_name(fault)
        for start, sentence in _SENTENCES.items():
            if name.startswith(start):
                return f"The call log {self.path} {sentence}"
        if "no such table" in str(fault) or "no such column" in str(fault):
            return f"The call log {self.path} lacks tables of this version; run: python -m call_log upgrade"
        return (
            f"The call log {self.path} refused a statement ({name or type(fault).__name__}); see its cause."
        )


def _warn_of_a_network_disk(path: Path) -> None:
    kind = mounts.network_file_system(path)
    if kind is not None:
        log.warning(
            "call_log_on_network_disk",
            path=str(path),
            file_system=kind,
            hint="SQLite's locks are not safe there: put DATABASE_URL on a local disk.",
        )


def _begin(statement: str, patience: float, connection: Connection) -> None:
    # The driver's own transactions are off (isolation_level=None): they would start too late, at the first
    # change, and so give no snapshot to readers and SQLITE_BUSY in the middle of a writer.
    if statement == "BEGIN IMMEDIATE":
        _await_turn(connection.connection.dbapi_connection, patience)
    else:
        connection.exec_driver_sql(statement)


def _await_turn(connection: Any, patience: float) -> None:
    """Take the write lock. SQLite's own wait sleeps for up to 100 ms between two looks, and starves where others
    write a hundred times a second: whoever looks every millisecond is served when they are."""
    until = time.monotonic() + patience
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as fault:
                if not _error_name(fault).startswith("SQLITE_BUSY") or time.monotonic() > until:
                    raise
                time.sleep(LOOK_EVERY_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")


def _reopen_after_a_fault(context: ExceptionContext) -> None:
    # After a full disk or a failed flush a connection's state is in doubt, and a flush that is tried again
    # may report success for pages that the kernel has dropped. Only waiting in vain leaves it sound.
    name = _error_name(context.original_exception)
    broken = (
        "SQLITE_FULL",
        "SQLITE_IOERR",
        "SQLITE_CORRUPT",
        "SQLITE_NOTADB",
        "SQLITE_CANTOPEN",
        "SQLITE_READONLY",
    )
    if name.startswith(broken):
        context.is_disconnect = True


def _let_go(connection: DBAPIConnection, *_: object) -> None:
    # Closing is not enough: while anybody still has the error, its traceback keeps a statement alive, with
    # it the connection, and with that the write lock.
    with contextlib.suppress(sqlite3.Error):
        connection.rollback()


def _error_name(fault: BaseException | None) -> str:
    """SQLite's name of the error, such as SQLITE_IOERR_FSYNC; empty where the driver has none."""
    return getattr(fault, "sqlite_errorname", None) or ""
