"""A session on the PostgreSQL server: where it leads, what it promises, and when it gives up waiting.

It knows libpq's words and the server's settings; of pools and tables it knows nothing. A session's own locks and
settings matter to us: a pooler that lends one session to many (PgBouncer's transaction mode) cannot stand between.
"""

import contextlib
import os
import select
import time
from collections.abc import Generator
from dataclasses import dataclass
from math import ceil
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from call_log.errors import StoreUnavailable

Result = TypeVar("Result")

IDLE_SECONDS = 10.0
"""Whoever holds locks and does nothing for so long has been stopped: its transaction is undone. Ours take milliseconds
between two statements, and a busy machine may make seconds of them."""

SILENCE_SECONDS = 5.0
"""A server that says nothing for so long, though its own limits should have made it speak, is given up."""

_GRACE_SECONDS = 1.0
_FOREVER = 0.0

_CONNECTING = {
    # A server that vanished without a word is noticed within seconds, not after the kernel's quarter of an hour.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "client_encoding": "utf8",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a session may take, in seconds; 0 is for ever. `lock`: the wait for one lock; `statement`: one whole
    statement; `idle`: doing nothing inside a transaction; `silence`: how long we listen to a server that says nothing
    and takes nothing."""

    lock: float
    statement: float = _FOREVER
    idle: float = IDLE_SECONDS
    silence: float = _FOREVER

    @classmethod
    def of(cls, patience: float, longest: float) -> "Bounds":
        """Of a process that serves calls: the server itself speaks up first, for it knows what was the matter."""
        return cls(patience, longest, silence=min(longest + _GRACE_SECONDS, SILENCE_SECONDS))


class Silent(psycopg.OperationalError):
    """The server said nothing for too long; nobody knows what became of the statement."""


class Session(psycopg.Connection[Any]):
    """One that does not wait for ever for a server that hangs: a stopped one's kernel still answers for it."""

    silence = _FOREVER
    opened_at = asked_at = 0.0
    """By this machine's steady clock."""

    def is_spoken_to(self) -> bool:
        """Whether the server has said what nobody asked for: that it ends the session, or nothing but its end. It costs
        no round trip, and is news from this machine's kernel alone. Raises psycopg.Error for a closed one."""
        unread = select.poll()
        unread.register(self.fileno(), select.POLLIN)
        return bool(unread.poll(0))

    def ask(self) -> None:
        """Whether it still lives, before it is relied on; a third of the patience must do. Raises psycopg.Error."""
        lends, patience = self.autocommit, self.silence
        self.autocommit, self.silence = True, patience / 3
        self.execute("SELECT 1")
        self.autocommit, self.silence = lends, patience

    def wait(self, gen: Any, *how: Any, **more: Any) -> Any:
        """As the driver's; closes the session and raises Silent when nothing moved for `silence` seconds."""
        if not self.silence:
            return super().wait(gen, *how, **more)
        try:
            return super().wait(_moving(gen, self.silence), *how, **more)
        except Silent:
            self.pgconn.finish()
            raise


def _moving(
    waits: Generator[Any, Any, Result], seconds: float, clock: Any = time.monotonic
) -> Generator[Any, Any, Result]:
    """The same waits on the socket, given up once it was ready for nothing for so long. A COPY that lasts is not cut
    while it moves."""
    moved_at = clock()
    try:
        wanted = next(waits)
        while True:
            ready = yield wanted
            if ready:
                moved_at = clock()
            elif clock() - moved_at > seconds:
                raise Silent(f"the server said nothing for {seconds:g} s")
            wanted = waits.send(ready)
    except StopIteration as done:
        result: Result = done.value
        return result


class Place:
    """Where the database is, as a URL of libpq's says it: one host, or several of which one takes writes."""

    def __init__(self, url: str) -> None:
        """Raises StoreUnavailable for a URL that cannot be read or names no database."""
        scheme, _, rest = url.partition("://")
        try:
            said = conninfo_to_dict(f"{scheme.partition('+')[0]}://{rest}")
        except psycopg.Error as fault:
            raise StoreUnavailable(
                "DATABASE_URL cannot be read; write postgresql://user:password@host:5432/switchboard."
            ) from fault
        if not said.get("dbname"):
            raise StoreUnavailable(
                "DATABASE_URL must name a database: postgresql://user:password@host:5432/switchboard."
            )
        hosts, ports = str(said.get("host") or ""), str(said.get("port") or "5432")
        self.password = str(said.pop("password", None) or "")
        self.database, self.key = str(said["dbname"]), f"{hosts or None}:{said.get('port')}/{said['dbname']}"
        self.name = f"{self.database} on {hosts or 'this machine'}:{ports}"
        several = {"target_session_attrs": "read-write"} if "," in hosts else {}
        self._said: dict[str, Any] = {**_CONNECTING, **several, **said}

    def conninfo(self) -> str:
        """For PostgreSQL's own programs; without the password."""
        return make_conninfo("", **self._said)

    def open(self, bounds: Bounds, *, autocommit: bool = False) -> Session:
        """A session that promises what we rely on. Raises psycopg.Error, and StoreUnavailable for a server that would
        not keep the promises."""
        # libpq counts whole seconds, and takes one for two.
        program = {"application_name": f"switchboard {os.getpid()}"}
        timeout = {"connect_timeout": max(2, ceil(bounds.lock))}
        secret = {"password": self.password} if self.password else {}
        session = Session.connect("", autocommit=True, **{**timeout, **program, **self._said, **secret})
        with contextlib.ExitStack() as unless_all_is_well:
            unless_all_is_well.callback(session.close)
            session.silence, session.opened_at = bounds.silence, time.monotonic()
            _secure(session, bounds)
            session.autocommit = autocommit
            unless_all_is_well.pop_all()
        return session


def _secure(session: Session, bounds: Bounds) -> None:
    """Set what we rely on, whatever the defaults of server, database and user are, and look whether it is so."""
    settings = {
        "synchronous_commit": "on",
        "lock_timeout": _milliseconds(bounds.lock),
        "statement_timeout": _milliseconds(bounds.statement),
        "idle_in_transaction_session_timeout": _milliseconds(bounds.idle),
        "idle_session_timeout": "0",  # a node's lock lives as long as its session
    }
    asked = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    looked = (
        "current_setting('synchronous_commit'), current_setting('fsync'), current_setting('server_encoding')"
    )
    parameters = [part for setting in settings.items() for part in setting]
    row = session.execute(f"SELECT {asked}, {looked}".encode(), parameters).fetchone()
    durability, flushes, encoding = row[-3:] if row else (None, None, None)
    if durability != "on" or flushes != "on":
        raise StoreUnavailable(
            f"PostgreSQL would not flush what it commits (synchronous_commit={durability}, fsync={flushes}); "
            "turn fsync on, and let this user set synchronous_commit."
        )
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"PostgreSQL keeps this database in {encoding} and could not store every word; "
            "make one with: createdb --encoding=UTF8 --template=template0"
        )


def _milliseconds(seconds: float) -> str:
    return f"{ceil(seconds * 1000)}ms"
