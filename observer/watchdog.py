"""Notices that the event loop is blocked: then no socket is read, no heart beats, and nobody else would say so.

A thread beside the loop. It tells where the loop is stuck, by names of functions alone; a process that stays stuck ends
itself, so that whoever starts it anew has its calls again. A process that was stopped as a whole (SIGSTOP, a sleeping
machine) is not stuck.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger()

LOOK_SECONDS = 0.5
TOLD_AFTER_SECONDS = 2.0
FRAMES_TOLD = 8
STUCK = 70
"""The exit status (EX_SOFTWARE)."""


class Watchdog:
    """Start it inside the event loop; it ends with the process, or when it is told to."""

    def __init__(self, longest: float, end: Callable[[int], object] = os._exit) -> None:
        """`longest`: after so many seconds the process is ended."""
        self._longest, self._end = longest, end
        self._loop, self._main = asyncio.get_running_loop(), threading.get_ident()
        self._answered_at = time.monotonic()
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Nobody watches any more."""
        self._over.set()

    def _watch(self) -> None:
        told = False
        looked_at = time.monotonic()
        while not self._over.wait(LOOK_SECONDS):
            now = time.monotonic()
            if now - looked_at > 2 * LOOK_SECONDS:
                self._answered_at = now  # this thread stood still as well
            looked_at = now
            stuck = now - self._answered_at
            if stuck > TOLD_AFTER_SECONDS and not told:
                log.error("event_loop_blocked", seconds=round(stuck, 1), at=where(self._main))
            told = stuck > TOLD_AFTER_SECONDS
            if stuck > self._longest:
                log.error("event_loop_stuck", seconds=round(stuck, 1), at=where(self._main))
                self._over.wait(LOOK_SECONDS)  # another thread writes that line
                self._end(STUCK)
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._answered_at = time.monotonic()


def where(thread: int) -> list[str]:
    """The innermost functions of a thread, as `file:line function`."""
    frame = sys._current_frames().get(thread)
    found: list[str] = []
    while frame is not None and len(found) < FRAMES_TOLD:
        code = frame.f_code
        found.append(f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return found
