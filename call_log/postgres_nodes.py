"""A node on PostgreSQL: the session of its writer holds its lock, and ends with it.

The server frees a session's lock the instant the session ends: when the node's process dies, but also when the
server restarts or a network breaks, and then the node is well and takes it again with its next heartbeat. So a free
lock alone makes nobody dead; see `holding.unheld` for what else must be true.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_NAME_SESSION = text("SELECT set_config('application_name', :node_id, false)")
_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended(:node_id, 0))")
_LOCKED = text(
    "SELECT node_id FROM nodes JOIN pg_locks ON locktype = 'advisory' AND granted "
    "AND (classid::bigint << 32 | objid::bigint) = hashtextextended(node_id, 0)"
)
_END = text(
    "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = ANY(:node_ids) AND pid <> pg_backend_pid()"
)


class SessionId(FunctionElement[int]):
    """SQL: the process that serves this session; null on SQLite."""

    type = Integer()
    inherit_cache = True


@compiles(SessionId, "sqlite")
def _on_sqlite(element: SessionId, compiler: Any, **kw: Any) -> str:
    return "NULL"


@compiles(SessionId, "postgresql")
def _on_postgresql(element: SessionId, compiler: Any, **kw: Any) -> str:
    return "pg_backend_pid()"


class SessionSince(FunctionElement[int]):
    """SQL: since when this session has been open, in UTC milliseconds of the server's clock; null on SQLite."""

    type = BigInteger()
    inherit_cache = True


@compiles(SessionSince, "sqlite")
def _since_on_sqlite(element: SessionSince, compiler: Any, **kw: Any) -> str:
    return "NULL"


@compiles(SessionSince, "postgresql")
def _since_on_postgresql(element: SessionSince, compiler: Any, **kw: Any) -> str:
    mine = "FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    return f"(SELECT (extract(epoch FROM backend_start) * 1000)::bigint {mine})"  # noqa: S608  # our own words


def hold(db: Connection, node_id: str) -> None:
    """Have this session hold the node's lock, and bear its name. Nothing to do on SQLite."""
    if db.dialect.name != "postgresql":
        return
    db.execute(_NAME_SESSION, {"node_id": node_id})
    if db.info.get("node") != node_id and db.execute(_LOCK, {"node_id": node_id}).scalar_one():
        db.info["node"] = node_id  # the lock outlives a rollback, as this note does


def locked(db: Connection) -> set[str]:
    """The ids of the nodes whose session lock is held."""
    return set(db.scalars(_LOCKED))


def end_sessions(db: Connection, node_ids: Collection[str]) -> None:
    """End what the dead have open: one that was paused inside a transaction would keep its rows locked."""
    if node_ids:
        db.execute(_END, {"node_ids": sorted(node_ids)})
