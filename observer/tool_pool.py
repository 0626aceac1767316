"""The threads in which tools run: a fixed number for the process, fewer for one call, apart from every other pool.

Knows slots and threads; what is run there may hang for ever, and then keeps its slot. What a result means is others'.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from realtime.tool_calls import as_output, is_too_large

log = structlog.get_logger()

THREADS = 32
OF_ONE_CALL = 8
"""So many runs of one call at once, those that hang and those that wait for an operator included."""


@dataclass(frozen=True)
class Result:
    """What a run gave: an output for the model, or the code of a refusal."""

    output: str = ""
    code: str | None = None


def told(result: object) -> Result:
    """A function's result as the model may have it."""
    try:
        output = as_output(result)
    except (ValueError, TypeError, RecursionError):
        return Result(code="bad_result")
    return Result(code="too_large") if is_too_large(output) else Result(output)


class Pool:
    """Of one process. `take` and `Slot.run` belong to the event loop."""

    def __init__(self, threads: int = THREADS, of_one_call: int = OF_ONE_CALL) -> None:
        self._most, self._of_one_call = threads, of_one_call
        self._lock = threading.Lock()
        self._busy: Counter[int] = Counter()
        self._threads = 0
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def take(self, number: int) -> Slot | None:
        """A place for one run of this call, which must be used; None where there is none."""
        with self._lock:
            if self._busy.total() >= self._most or self._busy[number] >= self._of_one_call:
                return None
            self._busy[number] += 1
            if self._threads < self._busy.total():
                self._threads += 1
                # A daemon: a tool that hangs must not keep the process from ending.
                threading.Thread(target=self._serve, name="tool", daemon=True).start()
        return Slot(self, number)

    def submit(self, work: Callable[[], None]) -> None:
        """Have it done by a thread; there is one for each slot."""
        self._work.put(work)

    def free(self, number: int) -> None:
        """The slot is another's."""
        with self._lock:
            self._busy[number] -= 1
            self._busy += Counter()  # drops calls that have none

    def _serve(self) -> None:
        while True:
            self._work.get()()


class Slot:
    """A place in the pool."""

    def __init__(self, pool: Pool, number: int) -> None:
        self._pool, self._number = pool, number

    def run(self, name: str, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run it in a thread. The slot is free once that ends, however long nobody waits any more."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()

        def do() -> None:
            done = _done(name, work)
            self._pool.free(self._number)
            if not loop.is_closed():  # it may have taken longer than the process wanted to live
                loop.call_soon_threadsafe(_give, result, done)

        self._pool.submit(do)
        return result


def _done(name: str, work: Callable[[], Result]) -> Result:
    try:
        return work()
    except BaseException as error:  # noqa: BLE001  # an operator's function may raise anything, SystemExit too
        log.warning("tool_failed", tool=name, error=type(error).__name__)  # its words may be the caller's
        return Result(code="failed")


def _give(result: asyncio.Future[Result], done: Result) -> None:
    if not result.done():
        result.set_result(done)
