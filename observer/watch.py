"""The thread that looks whether the call log changed, and tells the event loop what waits there.

SQLite tells nobody of a commit, but asking costs 3 µs: every millisecond while a call is being dialled (its answer is
about to reach a browser, and what is said before we are attached is lost), else every five. Reads only.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from call_log import inbox, nodes, work
from call_log.inbox import Message
from call_log.store import Connection, News, Store, StoreUnavailable, Watch
from call_log.work import Work
from observer.limits import Limits

log = structlog.get_logger()

WHILE_DIALLING_SECONDS = 0.001
AT_REST_SECONDS = 0.005
AT_LEAST_EVERY_SECONDS = 0.5
"""Hearts stop and intents grow stale without any commit."""
NODES_EVERY_SECONDS = 0.1
"""Who is dead is asked less often than what waits: it costs more, and nobody dies that often."""
DIALLING_MAX_SECONDS = 15.0
"""No negotiation takes longer; a dialling call that does not change any more is no reason to look so often."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in the log: `free_locks` are the nodes that are dead."""

    work: Work
    free_locks: frozenset[str]


class CallLogWatch:
    """Calls `tell(waiting)` in the event loop after each change that leaves something to do, and `deliver(messages)`
    with those that wait for this node's calls, again and again until they are taken. Once its node is `leaving`, it
    may not take anything any more, and its calls' messages alone are looked for."""

    def __init__(
        self,
        store: Store,
        node_id: str,
        limits: Limits,
        tell: Callable[[Waiting], None],
        deliver: Callable[[list[Message]], None],
        leaving: asyncio.Event,
    ) -> None:
        self._store, self._node_id, self._tell, self._deliver = store, node_id, tell, deliver
        self._leaving = leaving
        self._session_longest = int(limits.session_longest * 1000)
        self._free: frozenset[str] = frozenset()
        self._nodes_read_at = 0.0
        self._dialling_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Stop looking."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)

    def _look(self) -> None:
        watch = self._store.watch()
        try:
            rest, wait, read_at = 0.0, AT_REST_SECONDS, 0.0
            while not self._stopped.wait(rest):
                rest = 0.0
                news = _news(watch, wait)
                if not news and time.monotonic() - read_at < AT_LEAST_EVERY_SECONDS:
                    continue
                read_at, leaving = time.monotonic(), self._leaving.is_set()
                self._read(messages_alone=leaving or news is News.MESSAGES)
                since = None if leaving else self._dialling_since
                fast = since is not None and read_at - since < DIALLING_MAX_SECONDS
                wait = WHILE_DIALLING_SECONDS if fast else AT_REST_SECONDS
                rest = rest_after(time.monotonic() - read_at, fast)
        except RuntimeError:  # the event loop closed first
            pass
        finally:
            watch.close()

    def _read(self, *, messages_alone: bool) -> None:
        try:
            if not messages_alone and time.monotonic() - self._nodes_read_at >= NODES_EVERY_SECONDS:
                self._look_for_the_dead()
            with self._store.reading() as db:
                messages = inbox.waiting(db, self._node_id)
                if messages:
                    self._loop.call_soon_threadsafe(self._deliver, messages)
                if not messages_alone:
                    self._read_work(db)
        except StoreUnavailable as error:
            log.warning("store_unavailable", reason=str(error))
            self._dialling_since = None

    def _read_work(self, db: Connection) -> None:
        found, now = work.open_work(db, self._free, self._session_longest), time.monotonic()
        if found.something or self._free:
            self._loop.call_soon_threadsafe(self._tell, Waiting(found, self._free))
        self._dialling_since = (self._dialling_since or now) if found.dialling else None

    def _look_for_the_dead(self) -> None:
        with self._store.reading() as db:
            registered = nodes.registered(db)
        self._free, self._nodes_read_at = nodes.free_locks(registered), time.monotonic()


def rest_after(took: float, fast: bool) -> float:
    """On a busy machine a look takes long, and its own share of the work must stay small. But who waited for a server
    that said nothing did no work, and looks again soon."""
    return min((1.0 if fast else 2.0) * took, AT_LEAST_EVERY_SECONDS)


def _news(watch: Watch, within: float) -> News:
    """A store that can't be asked is looked at now and then; it says so itself when it is read."""
    try:
        return watch.changed(within)
    except StoreUnavailable:
        return News.NOTHING
