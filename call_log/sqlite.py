"""SQLite as a store: transactions that read, and those that write.

Everything that is peculiar to this database is here, in `sqlite_file`, `sqlite_faults`, `checkpoint` and `watch`; the
statements of the other files are not. `postgres` is the same for the other one.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext

from call_log import mounts, sqlite_faults
from call_log.checkpoint import Checkpoint
from call_log.database import Upkeep, Watch, Writing
from call_log.errors import SchemaBehind, StoreUnavailable
from call_log.lock import FileLock
from call_log.sharing import Shared
from call_log.sqlite_file import File
from call_log.watch import CommitWatch

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 0.001
"""How often whoever waits for the write lock looks for it."""

READERS = 40
"""Reading transactions at once: the web's 32 threads and a few of the observer's."""


class Sqlite(File):
    """One database file as a store, to all threads of this process."""

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
        return Shared(writer, self.patience, self.faults_named).take_part

    def engine(self, begin: str, connect: "partial[sqlite3.Connection]", *, size: int, most: int) -> Engine:
        """An engine whose transactions start with `begin`; `size` connections stay open, `most` can be."""
        engine = create_engine(
            "sqlite+pysqlite://",
            creator=connect,
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=most - size,
            pool_timeout=self.patience,
            pool_use_lifo=True,
        )
        event.listen(engine, "begin", partial(_begin, begin, self.patience))
        event.listen(engine, "handle_error", _reopen_after_a_fault)
        event.listen(engine, "invalidate", _let_go)
        return engine

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
                if not sqlite_faults.is_busy(fault) or time.monotonic() > until:
                    raise
                time.sleep(LOOK_EVERY_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")


def _reopen_after_a_fault(context: ExceptionContext) -> None:
    if sqlite_faults.leaves_a_doubt(context.original_exception):
        context.is_disconnect = True


def _let_go(connection: DBAPIConnection, *_: object) -> None:
    # Closing is not enough: while anybody still has the error, its traceback keeps a statement alive, with
    # it the connection, and with that the write lock.
    with contextlib.suppress(sqlite3.Error):
        connection.rollback()
