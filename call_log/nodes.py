"""The nodes: the observer processes, and whether they live.

It knows heartbeats by the database's clock and lock files. What a node does with its calls it does not know.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, case, delete, insert, select, update

from call_log.clock import DatabaseClock
from call_log.holding import lives
from call_log.lock import FileLock
from call_log.schema import nodes


@dataclass(frozen=True, slots=True)
class Node:
    """One row. Times are UTC milliseconds of the database's clock; `backend_pid` is null on SQLite."""

    node_id: str
    host: str
    pid: int
    started_at: int
    heartbeat_at: int
    draining: bool
    lock_path: str
    backend_pid: int | None
    version: str
    renewed_since: int


class NodeLock(FileLock):
    """A node's lock beside the database: taken before `join`, free the instant the process dies."""

    def release(self) -> None:
        """Free the lock and remove its file: a node's id never comes back, so nobody else will want it."""
        if self.taken:
            self.path.unlink(missing_ok=True)
        super().release()


def join(db: Connection, node_id: str, *, host: str, pid: int, lock_path: Path | str, version: str) -> None:
    """Enter a node. Take its NodeLock first: a joined node whose lock is free counts as dead."""
    db.execute(
        insert(nodes).values(
            node_id=node_id,
            host=host,
            pid=pid,
            started_at=DatabaseClock(),
            heartbeat_at=DatabaseClock(),
            draining=False,
            lock_path=str(lock_path),
            version=version,
            renewed_since=DatabaseClock(),
        )
    )


def heartbeat(db: Connection, node_id: str) -> bool:
    """Renew. False when the node's row is gone: it must drop its sockets and join anew under a new id.

    A renewal that comes after a lapse says so: while the store was away everybody's heart seems to have stopped, and
    whoever is back first must not take the others for dead.
    """
    since = case((lives(), nodes.c.renewed_since), else_=DatabaseClock())
    beat = update(nodes).where(nodes.c.node_id == node_id)
    return db.execute(beat.values(heartbeat_at=DatabaseClock(), renewed_since=since)).rowcount == 1


def drain(db: Connection, node_id: str) -> None:
    """Say that this node takes no more calls; it keeps those that it holds until it releases them."""
    db.execute(update(nodes).where(nodes.c.node_id == node_id).values(draining=True))


def leave(db: Connection, node_id: str) -> None:
    """Remove the node's row; with it, by the foreign key, goes its hold on every call."""
    db.execute(delete(nodes).where(nodes.c.node_id == node_id))


def registered(db: Connection) -> list[Node]:
    """Every node that has a row, living or dead, oldest first."""
    return _read(db, select(nodes))


def live(db: Connection) -> list[Node]:
    """The nodes that would take a call: a heartbeat younger than 3 s, and not draining."""
    return _read(db, select(nodes).where(lives(), nodes.c.draining.is_(False)))


def free_locks(candidates: Iterable[Node], host: str | None = None) -> frozenset[str]:
    """The ids of the nodes on this host whose lock is free. Touches files, no database: call it outside a
    transaction, and pass the result to `calls.claim`."""
    here = host or socket.gethostname()
    return frozenset(
        node.node_id for node in candidates if node.host == here and NodeLock.is_free(node.lock_path)
    )


def _read(db: Connection, wanted: Select[*tuple[Any, ...]]) -> list[Node]:
    return [Node(**row._mapping) for row in db.execute(wanted.order_by(nodes.c.started_at, nodes.c.node_id))]
