"""The thread that looks whether the call log changed, and tells the event loop what waits there.

SQLite tells nobody of a commit, but asking costs 3 µs: every millisecond while a call is being dialled (its answer is
about to reach a browser, and what is said before we are attached is lost), else every ten. Reads only.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import structlog

from call_log import nodes, work
from call_log.store import Store, StoreUnavailable, Watch
from call_log.work import Work
from observer.limits import Limits

log = structlog.get_logger()

WHILE_DIALLING_SECONDS = 0.001
AT_REST_SECONDS = 0.010
AT_LEAST_EVERY_SECONDS = 0.5
"""Hearts stop and intents grow stale without any commit."""
DIALLING_MAX_SECONDS = 15.0
"""No negotiation takes longer; a dialling call that does not change any more is no reason to look so often."""


class CallLogWatch:
    """Calls `tell(work, free_locks)` in the event loop after each change that leaves something to do."""

    def __init__(self, store: Store, limits: Limits, tell: Callable[[Work, frozenset[str]], None]) -> None:
        self._store, self._tell = store, tell
        self._session_longest = int(limits.session_longest * 1000)
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
            pause, read_at, dialling_since = AT_REST_SECONDS, 0.0, None
            while not self._stopped.wait(pause):
                now = time.monotonic()
                if not _changed(watch) and now - read_at < AT_LEAST_EVERY_SECONDS:
                    continue
                read_at = now
                dialling = self._read()
                dialling_since = (dialling_since or now) if dialling else None
                fast = dialling_since is not None and now - dialling_since < DIALLING_MAX_SECONDS
                pause = pause_after(time.monotonic() - now, fast)
        except RuntimeError:  # the event loop closed first
            pass
        finally:
            watch.close()

    def _read(self) -> bool:
        """Read what waits, tell it, and say whether any call is dialling."""
        try:
            with self._store.reading() as db:
                registered = nodes.registered(db)
            free = nodes.free_locks(registered)
            with self._store.reading() as db:
                waiting = work.open_work(db, free, self._session_longest)
        except StoreUnavailable as error:
            log.warning("store_unavailable", reason=str(error))
            return False
        if waiting.something or free:
            self._loop.call_soon_threadsafe(self._tell, waiting, free)
        return waiting.dialling > 0


def pause_after(took: float, fast: bool) -> float:
    """On a busy machine a look takes long, and its own share of the work must stay small. But who waited for a server
    that said nothing did no work, and looks again soon."""
    wanted = max(WHILE_DIALLING_SECONDS, took) if fast else max(AT_REST_SECONDS, 5 * took)
    return min(wanted, AT_LEAST_EVERY_SECONDS)


def _changed(watch: Watch) -> bool:
    """A store that can't be asked is looked at now and then; it says so itself when it is read."""
    try:
        return watch.changed()
    except StoreUnavailable:
        return False
