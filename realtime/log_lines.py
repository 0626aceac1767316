"""Writing log lines without ever waiting for whoever reads them.

A full pipe blocks its writer: one stuck reader of stdout would stop an event loop, with it the pings of every
sideband, and with them the recordings. So lines go through a bounded queue to a thread of their own; what does not
fit is dropped and counted, and the count is said as soon as there is room. It knows lines, not what is in them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
from typing import TextIO

LINES_MAX = 10_000
FLUSH_SECONDS = 1.0


class Lines(logging.StreamHandler[TextIO]):
    """Like a StreamHandler, but `emit` never blocks. `flush` waits for what is queued, at most a second."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._begin()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one line."""
        if self._pid != os.getpid():
            self._begin()  # a fork takes the queue along, but not the thread that empties it
        try:
            self._queue.put_nowait(self.format(record))
        except queue.Full:
            with self._counting:
                self._dropped += 1

    def flush(self) -> None:
        """Wait until what was queued is written, for at most a second."""
        waiting = self._queue
        with waiting.all_tasks_done:
            waiting.all_tasks_done.wait_for(lambda: not waiting.unfinished_tasks, FLUSH_SECONDS)

    def _begin(self) -> None:
        self._pid, self._dropped, self._counting = os.getpid(), 0, threading.Lock()
        self._queue: queue.Queue[str] = queue.Queue(LINES_MAX)
        threading.Thread(target=self._write, args=(self._queue,), name="log", daemon=True).start()

    def _write(self, lines: queue.Queue[str]) -> None:
        while True:
            line = lines.get()
            # A closed pipe or stream takes no more lines; the process has better things to do than to die of it.
            with contextlib.suppress(OSError, ValueError):
                self.stream.write(f"{line}\n{self._drops()}")
                if lines.empty():
                    self.stream.flush()
            lines.task_done()

    def _drops(self) -> str:
        with self._counting:
            dropped, self._dropped = self._dropped, 0
        said = {"level": "warning", "event": "log_lines_dropped", "lines": dropped}
        return f"{json.dumps(said)}\n" if dropped else ""
