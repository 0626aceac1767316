"""The PostgreSQL server: how sessions are opened and what they promise.

Everything that is peculiar to this database is here and in the other files of its name; the statements of the
others are not. A session's own locks and settings matter to us: a pooler that lends one session to many
(PgBouncer's transaction mode) cannot stand between.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, exc, make_url, text

from call_log.database import PATIENCE_SECONDS, Upkeep, Watch, Writing
from call_log.errors import StoreUnavailable
from call_log.postgres_faults import is_of_the_code, sentence
from call_log.postgres_upkeep import Vacuum
from call_log.postgres_watch import NotifiedWatch

READERS, WRITERS = 16, 8
"""Sessions of one process at most, beside one for its watch."""

MIGRATION_LOCK = 7_295_113_841
"""The advisory lock of whoever changes the tables; any number that nobody else uses."""

_CONNECTING = {
    # A server that vanished without a word is noticed within seconds, not after the kernel's quarter of an hour.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class Server:
    """One database on a server, as all sessions of this process use it."""

    def __init__(self, url: URL, patience: float = PATIENCE_SECONDS) -> None:
        self.url, self._patience = url.set(drivername="postgresql+psycopg"), patience
        self.name = f"{url.database} on {url.host or 'this machine'}:{url.port or 5432}"

    @classmethod
    def at(cls, url: str, patience: float = PATIENCE_SECONDS) -> "Server":
        """The database that a URL names; `patience` in seconds. Raises StoreUnavailable for one that names none."""
        parts = make_url(url)
        if not parts.database:
            raise StoreUnavailable(
                "DATABASE_URL must name a database: postgresql://user:password@host:5432/switchboard."
            )
        return cls(parts, patience)

    @property
    def lock_folder(self) -> Path:
        """Below the working folder, one for each database: journals of one must not be drained into another."""
        place = f"{self.url.host}:{self.url.port}/{self.url.database}".encode()
        return Path("var", "observer", hashlib.sha256(place).hexdigest()[:16]).absolute()

    def prepare(self) -> None:
        """Nothing: nodes make the folder of their locks, and the web needs none."""

    def engines(self) -> tuple[Engine, Engine]:
        """Readers see one snapshot per transaction, writers what is committed when each statement starts: they
        lock what they change, and repeat its condition."""
        readers = self._engine("REPEATABLE READ", size=4, most=READERS)
        event.listen(readers, "begin", _read_only)
        return readers, self._engine("READ COMMITTED", size=1, most=WRITERS)

    def connect(self) -> "psycopg.Connection[Any]":
        """A session of the driver that commits each statement by itself, for a watch or a vacuum."""
        url = self.url.set(drivername="postgresql").update_query_dict(
            {name: str(value) for name, value in self._arguments().items()}
        )
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def require_same(self) -> None:
        """It is: a server that was replaced has other sessions, and each of ours was asked for its tables."""

    @contextlib.contextmanager
    def faults_named(self) -> Iterator[None]:
        """Let the server's failures out as StoreUnavailable; faults of the code stay what they are."""
        try:
            yield
        except exc.TimeoutError as fault:
            raise StoreUnavailable(
                f"The call log {self.name} is too busy: no connection came free within {self._patience:g} s; "
                "look for transactions that last too long."
            ) from fault
        except exc.DBAPIError as fault:
            if isinstance(fault, exc.IntegrityError) or is_of_the_code(fault.orig):
                raise
            raise StoreUnavailable(f"The call log {self.name} {sentence(fault.orig)}") from fault
        except psycopg.Error as fault:
            if is_of_the_code(fault):
                raise
            raise StoreUnavailable(f"The call log {self.name} {sentence(fault)}") from fault

    @contextlib.contextmanager
    def inspecting(self) -> Iterator[Connection]:
        """A transaction on a connection of its own."""
        engine = self._engine("READ COMMITTED", size=1, most=1)
        try:
            with self.faults_named(), engine.begin() as db:
                yield db
        finally:
            engine.dispose()

    @contextlib.contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A transaction that may make the tables; the second of two waits until the first is done."""
        with self.inspecting() as db:
            db.exec_driver_sql("SET LOCAL lock_timeout = 0")
            db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            yield db

    def watch(self) -> Watch:
        """Listens to hints of the web, and says now and then that it is time to look anyway."""
        return NotifiedWatch(self.connect, self.faults_named)

    def upkeep(self, writing: Writing) -> Upkeep:
        """The server moves what was committed by itself; what was erased is left to vacuum."""
        return Vacuum(self.connect, self.faults_named, self._patience)

    def _engine(self, isolation: Any, *, size: int, most: int) -> Engine:
        engine = create_engine(
            self.url,
            poolclass=QueuePool,
            isolation_level=isolation,
            connect_args=self._arguments(),
            pool_size=size,
            max_overflow=most - size,
            pool_timeout=self._patience,
            pool_use_lifo=True,
            pool_pre_ping=True,  # after a restart of the server, no request need fail for a stale session
        )
        event.listen(engine, "engine_connect", partial(_secure, patience=self._patience))
        return engine

    def _arguments(self) -> dict[str, Any]:
        # libpq counts whole seconds, and takes one for two.
        program = {"application_name": f"switchboard {os.getpid()}"}
        return _CONNECTING | {"connect_timeout": max(2, ceil(self._patience))} | program


def _read_only(db: Connection) -> None:
    db.exec_driver_sql("SET TRANSACTION READ ONLY")


def _secure(db: Connection, *, patience: float) -> None:
    """Once for each session: what is said to be committed must be on the disk, whatever the server's default is."""
    if db.info.get("secured"):
        return
    with contextlib.closing(db.connection.cursor()) as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false), set_config('lock_timeout', %s, false), "
            "current_setting('fsync')",
            (f"{ceil(patience * 1000)}ms",),
        )
        durability, _, flushes = cursor.fetchone() or (None, None, None)
    db.connection.commit()
    if durability != "on" or flushes != "on":
        raise StoreUnavailable(
            f"PostgreSQL would not flush what it commits (synchronous_commit={durability}, fsync={flushes}); "
            "turn fsync on, and let this user set synchronous_commit."
        )
    db.info["secured"] = True
