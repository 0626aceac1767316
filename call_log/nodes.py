"""The nodes: the observer processes, and whether they live.

It knows heartbeats by the database's clock and lock files. What a node does with its calls it does not know.
"""

import mmap
import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, and_, case, delete, insert, select, update

from call_log import postgres_nodes
from call_log.clock import DatabaseClock
from call_log.holding import lives, renewed_within
from call_log.lock import FileLock
from call_log.postgres_nodes import SessionId
from call_log.schema import calls, nodes

SILENT_AFTER_MS = 1_000
"""A free session lock means death only once this much time passed since the last heartbeat: two were missed."""

_SUSPECT = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class Node:
    """One row. Times are UTC milliseconds of the database's clock. `backend_pid` is null on SQLite; on PostgreSQL,
    `unlocked` tells whether its session lock was free when the row was read, and its heartbeat old enough for that to
    mean something."""

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
    full: bool
    unlocked: bool = False


class NodeLock(FileLock):
    """A node's lock on its own machine: taken before `join`, free the instant the process dies.

    Its file also names the call that the process is working on, in memory that outlives the process: when it dies of a
    call, whoever buries it learns of which.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._suspect = mmap.mmap(-1, _SUSPECT.size)

    def take(self) -> None:
        """Take the lock under the file's own name: whoever buries the dead might have just removed a new file that
        nobody had locked yet. Raises StoreUnavailable."""
        while True:
            self.acquire(wait=True)
            if self._is_at_its_path():
                break
            super().release()
        os.ftruncate(self.file, _SUSPECT.size)
        self._suspect = mmap.mmap(self.file, _SUSPECT.size)

    def accuse(self, number: int) -> None:
        """The process works on this call now; 0 for none. Costs no system call."""
        _SUSPECT.pack_into(self._suspect, 0, number)

    def accused(self) -> int:
        """The call that the process was working on; 0 for none. For the finder of a free lock, who has taken it."""
        said = os.pread(self.file, _SUSPECT.size, 0)
        return int(_SUSPECT.unpack(said)[0]) if len(said) == _SUSPECT.size else 0

    def release(self) -> None:
        """Free the lock and remove its file: a node's id never comes back, so nobody else will want it."""
        if self.taken:
            self.path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Free the lock and leave its file to whoever comes next."""
        super().release()

    def _is_at_its_path(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self.file), self.path.stat())
        except FileNotFoundError:
            return False


def died_here(folder: Path) -> list[NodeLock]:
    """The locks of the nodes that died on this machine, each taken: they are ours to bury, and nobody else's."""
    return [lock for path in sorted(folder.glob("node_*.lock")) if (lock := NodeLock(path)).acquire()]


def join(db: Connection, node_id: str, *, host: str, pid: int, lock_path: Path | str, version: str) -> None:
    """Enter a node. Take its NodeLock first: a joined node whose lock is free counts as dead. On PostgreSQL the
    session of this transaction takes the lock; `heartbeat` takes it again where that session was lost."""
    postgres_nodes.hold(db, node_id)
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
            backend_pid=SessionId(),
            renewed_since=DatabaseClock(),
        )
    )


def heartbeat(db: Connection, node_id: str, *, full: bool = False) -> bool:
    """Renew, and say whether this node has room for more calls. False when the node's row is gone: it must
    drop its sockets and join anew under a new id.

    A renewal that comes after a lapse says so: while the store was away everybody's heart seems to have stopped, and
    whoever is back first must not take the others for dead.
    """
    postgres_nodes.hold(db, node_id)
    since = case((lives(), nodes.c.renewed_since), else_=DatabaseClock())
    beat = update(nodes).where(nodes.c.node_id == node_id)
    values = {
        "heartbeat_at": DatabaseClock(),
        "renewed_since": since,
        "full": full,
        "backend_pid": SessionId(),
    }
    return db.execute(beat.values(values)).rowcount == 1


def drain(db: Connection, node_id: str) -> None:
    """Say that this node takes no more calls; it keeps those that it holds until it releases them."""
    db.execute(update(nodes).where(nodes.c.node_id == node_id).values(draining=True))


def leave(db: Connection, node_id: str) -> None:
    """Remove the node's row; with it, by the foreign key, goes its hold on every call. What it had reserved is for
    others to inherit."""
    db.execute(update(calls).where(calls.c.heir == node_id).values(heir=None))
    db.execute(delete(nodes).where(nodes.c.node_id == node_id))


def registered(db: Connection) -> list[Node]:
    """Every node that has a row, living or dead, oldest first."""
    found = [Node(*row) for row in db.execute(_REGISTERED)]
    if not any(node.unlocked for node in found):
        return found
    locked = postgres_nodes.locked(db)
    return [replace(node, unlocked=node.unlocked and node.node_id not in locked) for node in found]


def live(db: Connection) -> list[Node]:
    """The nodes that look after calls: a heartbeat younger than 3 s, and not draining."""
    return [Node(*row) for row in db.execute(_LIVE)]


def with_room(db: Connection) -> list[Node]:
    """The live nodes that would take one more call."""
    return [node for node in live(db) if not node.full]


def free_locks(candidates: Iterable[Node], host: str | None = None) -> frozenset[str]:
    """The ids of the nodes whose lock is free: of those on this host by their files, with SQLite, and by what
    `registered` saw, with PostgreSQL. Touches files, no database: call it outside a transaction, and pass the
    result to `calls.claim`."""
    here = host or socket.gethostname()
    return frozenset(node.node_id for node in candidates if node.unlocked or _died_on(here, node))


def _died_on(host: str, node: Node) -> bool:
    # With PostgreSQL another machine may bear the same name, as containers do, and its files are not to be seen here.
    return node.backend_pid is None and node.host == host and NodeLock.is_free(node.lock_path)


# Built once: they are asked ten times a second, and building one costs more than it does.
_COLUMNS = [nodes.c[name] for name in Node.__slots__ if name != "unlocked"]
_silent = and_(nodes.c.backend_pid.is_not(None), ~renewed_within(SILENT_AFTER_MS))
_REGISTERED = select(*_COLUMNS, _silent).order_by(nodes.c.started_at, nodes.c.node_id)
_LIVE = (
    select(*_COLUMNS)
    .where(lives(), nodes.c.draining.is_(False))
    .order_by(nodes.c.started_at, nodes.c.node_id)
)
