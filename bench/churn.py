"""Calls that come and go all the time, at a steady pace, whatever happens to the web meanwhile.

Knows the pace and what each call met. A call lasts a while and is then hung up through the web.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import requests

from bench.field import CALLERS, OFFER, Field

LASTS_SECONDS = 10.0


class Churn:
    """Use it as `with`; the calls that are open at its end stay open. `refused` says what calls met instead of 201."""

    def __init__(self, field: Field, per_second: float, lasts: float = LASTS_SECONDS) -> None:
        self._field, self._pause, self._lasts = field, 1 / per_second, lasts
        self._stop = threading.Event()
        self._open: deque[tuple[float, str]] = deque()
        self._callers = ThreadPoolExecutor(CALLERS)
        self._thread = threading.Thread(target=self._run, name="churn")
        self.opened = 0
        self.refused: list[str] = []

    def __enter__(self) -> Churn:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._callers.shutdown()

    @property
    def overdue(self) -> int:
        """How many should have been hung up by now."""
        now = time.monotonic()
        return sum(until < now for until, _ in list(self._open))

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._pause
            self._callers.submit(self._open_one)
            while self._open and self._open[0][0] < time.monotonic():
                self._callers.submit(self._hang_up_one, self._open.popleft()[1])

    def _open_one(self) -> None:
        try:
            answer = self._field.house.connect(OFFER)
        except requests.RequestException as error:
            self.refused.append(type(error).__name__)
            return
        if answer.status_code != 201:
            said = answer.json()
            self.refused.append(f"{answer.status_code} {said['code']}: {said['detail']}")
            return
        self.opened += 1
        self._open.append((time.monotonic() + self._lasts, answer.headers["X-Call-Id"]))

    def _hang_up_one(self, call_id: str) -> None:
        """A caller who is not heard says it again."""
        try:
            was_heard = self._field.house.hang_up(call_id).ok
        except requests.RequestException:
            was_heard = False
        if not was_heard:
            self._open.append((time.monotonic(), call_id))
