"""The PostgreSQL server: its engines, what else this process opens there, and how the tables are changed.

Everything that is peculiar to this database is here and in the other files of its name; the statements of the
others are not.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, exc, text

from call_log.database import LONGEST_SECONDS, PATIENCE_SECONDS, Upkeep, Watch, Writing
from call_log.errors import StoreUnavailable
from call_log.postgres_faults import is_of_the_code, sentence
from call_log.postgres_session import Bounds, Place, Session, Silent
from call_log.postgres_upkeep import Vacuum
from call_log.postgres_watch import NotifiedWatch

READERS, WRITERS = 16, 8
"""Sessions of one process at most, beside one for its watch."""

KEPT = 4
"""So many stay open of each kind: to open one costs more than most transactions."""

TRUSTED_SECONDS = 0.25
"""For so long after it was asked whether it still lives a session is lent unasked, unless the server has spoken: one
restarts in less, and says so to whoever is not cut off from it."""

MIGRATION_LOCK = 7_295_113_841
"""The advisory lock of whoever changes the tables; any number that nobody else uses."""

_IN_THE_WAY = text("""
    SELECT pid, application_name, host(client_addr), ceil(extract(epoch FROM now() - xact_start))::int
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE granted AND pid <> pg_backend_pid() AND datname = current_database()
    AND (locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = :lock OR locktype = 'relation'
         AND relation IN (SELECT oid FROM pg_class WHERE relname IN
                          ('calls', 'events', 'inbox', 'nodes', 'texts', 'alembic_version')))
    ORDER BY locktype, xact_start LIMIT 1
""")


class Server:
    """One database on a server, as all sessions of this process use it."""

    def __init__(self, place: Place, patience: float, longest: float) -> None:
        self.place, self.name, self._patience = place, place.name, patience
        self._bounds = Bounds.of(patience, longest)

    @classmethod
    def at(cls, url: str, patience: float = PATIENCE_SECONDS, longest: float = LONGEST_SECONDS) -> "Server":
        """The database that a URL names; `patience` and `longest` in seconds, for a lock and for a statement. Raises
        StoreUnavailable for one that names none."""
        return cls(Place(url), patience, longest)

    @property
    def lock_folder(self) -> Path:
        """Below the working folder, one for each database: journals of one must not be drained into another."""
        return Path("var", "observer", hashlib.sha256(self.place.key.encode()).hexdigest()[:16]).absolute()

    def prepare(self) -> None:
        """Nothing: nodes make the folder of their locks, and the web needs none."""

    def engines(self) -> tuple[Engine, Engine]:
        """Readers see one snapshot per transaction, writers what is committed when each statement starts: they
        lock what they change, and repeat its condition."""
        readers = self._engine(self._bounds, "REPEATABLE READ", most=READERS)
        event.listen(readers, "connect", _read_only)
        return readers, self._engine(self._bounds, "READ COMMITTED", most=WRITERS)

    def writing(self, writer: Engine) -> Writing:
        """Each on a connection of its own."""
        return partial(self._writing, writer)

    @contextlib.contextmanager
    def _writing(self, writer: Engine, *, alone: bool = False) -> Iterator[Connection]:
        with self.faults_named(), writer.begin() as db:
            yield db

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
        with self._alone(self._bounds) as db:
            yield db

    @contextlib.contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A transaction that may make the tables. It takes as long as it takes, but waits for no lock longer than
        `patience`: whoever wants the same table queues behind it meanwhile. Raises StoreUnavailable that says who is
        in the way."""
        try:
            with self._alone(Bounds(lock=self._patience, idle=0)) as db:
                db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
                yield db
        except StoreUnavailable as fault:
            if not isinstance(getattr(fault.__cause__, "orig", None), psycopg.errors.LockNotAvailable):
                raise
            raise StoreUnavailable(self._who_is_in_the_way()) from fault

    def watch(self) -> Watch:
        """Listens to hints of the web, and says now and then that it is time to look anyway."""
        return NotifiedWatch(partial(self.connect, self._bounds), self.faults_named)

    def upkeep(self, writing: Writing) -> Upkeep:
        """The server moves what was committed by itself; what was erased is left to vacuum, which may last."""
        return Vacuum(partial(self.connect, Bounds(self._patience)), self.faults_named, self._patience)

    def connect(self, bounds: Bounds) -> Session:
        """A session of the driver that commits each statement by itself, for a watch or a vacuum."""
        return self.place.open(bounds, autocommit=True)

    @contextlib.contextmanager
    def _alone(self, bounds: Bounds) -> Iterator[Connection]:
        engine = self._engine(bounds, "READ COMMITTED", most=1)
        try:
            with self.faults_named(), engine.begin() as db:
                yield db
        finally:
            engine.dispose()

    def _who_is_in_the_way(self) -> str:
        with self.inspecting() as db:
            found = db.execute(_IN_THE_WAY, {"lock": MIGRATION_LOCK}).one_or_none()
        if found is None:
            return (
                f"The call log {self.name} was in use by somebody who is gone by now; run the upgrade again."
            )
        pid, program, host, seconds = found
        return (
            f"The call log {self.name} was not changed: {program or 'a session'} ({host or 'on the server'}) has been "
            f"in a transaction on its tables for {seconds} s; wait for it, or end it with "
            f"SELECT pg_terminate_backend({pid}), and run the upgrade again."
        )

    def damage(self) -> str | None:
        """Not ours to look for: a server checks its own pages (data checksums, pg_amcheck)."""
        return None

    def _engine(self, bounds: Bounds, isolation: Any, *, most: int) -> Engine:
        size = min(most, KEPT)
        engine = create_engine(
            "postgresql+psycopg://",
            creator=partial(self.place.open, bounds),
            poolclass=QueuePool,
            isolation_level=isolation,
            pool_size=size,
            max_overflow=most - size,
            pool_timeout=self._patience,
            pool_use_lifo=True,
        )
        event.listen(engine, "checkout", _FirstAsked())
        return engine


class _FirstAsked:
    """What a pool does before it lends a session. After a restart of the server no request need fail for a stale one:
    the pool opens another. Of a server that says nothing, whoever waits is told at once, and does not wait once more
    for a new session; whoever comes next is not lent another of that time, or each of them would be waited for."""

    def __init__(self) -> None:
        self._silent_at = 0.0

    def __call__(self, session: Session, *_: object) -> None:
        now = monotonic()
        if session.opened_at <= self._silent_at:
            raise exc.InvalidatePoolError
        try:
            if now - session.asked_at < TRUSTED_SECONDS and not session.is_spoken_to():
                return
            session.ask()
            session.asked_at = now
        except Silent:
            self._silent_at = monotonic()
            raise
        except psycopg.Error as fault:
            raise exc.InvalidatePoolError from fault


def _read_only(session: Session, *_: object) -> None:
    session.read_only = True  # in the words that begin each transaction: it costs no round trip
