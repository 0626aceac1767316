"""`python -m bench.churn --calls 500 --connects 20 --seconds 30`: how long a caller waits for an answer.

And what other benches let happen meanwhile: calls that come and go all the time, at a steady pace. Knows the pace and
what each call met. A call lasts a while and is then hung up through the web.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from bench.field import CALLERS, OFFER, Field, put_up
from bench.figures import tell_machine, tell_spread, tell_verdict

LASTS_SECONDS = 10.0


class Churn:
    """Use it as `with`; the calls that are open at its end stay open. `refused` says what calls met instead of 201."""

    def __init__(self, field: Field, per_second: float, lasts: float = LASTS_SECONDS) -> None:
        self._field, self._pause, self._lasts = field, 1 / per_second, lasts
        self._stop = threading.Event()
        self._open: dict[str, float] = {}
        """Until when each call should last."""

        self._lasting: deque[str] = deque()
        self._callers = ThreadPoolExecutor(CALLERS)
        self._thread = threading.Thread(target=self._run, name="churn")
        self.opened = 0
        self.waited: list[float] = []
        """Milliseconds until each answer, since the moment when the call was due: also those in which all callers were
        at other calls."""

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
        """How many should have been hung up by now, and are not yet: also those for which no caller is free."""
        now = time.monotonic()
        return sum(until < now for until in list(self._open.values()))

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._pause
            self._callers.submit(self._open_one, time.monotonic())
            while self._lasting and self._open[self._lasting[0]] < time.monotonic():
                self._callers.submit(self._hang_up_one, self._lasting.popleft())

    def _open_one(self, asked_at: float) -> None:
        try:
            answer = self._field.house.connect(OFFER)
        except requests.RequestException as error:
            self.refused.append(type(error).__name__)
            return
        self.waited.append((time.monotonic() - asked_at) * 1000)
        if answer.status_code != 201:
            said = answer.json()
            self.refused.append(f"{answer.status_code} {said['code']}: {said['detail']}")
            return
        self.opened += 1
        call_id = answer.headers["X-Call-Id"]
        self._open[call_id] = time.monotonic() + self._lasts
        self._lasting.append(call_id)

    def _hang_up_one(self, call_id: str) -> None:
        """A caller who is not heard says it again."""
        try:
            was_heard = self._field.house.hang_up(call_id).ok
        except requests.RequestException:
            was_heard = False
        if was_heard:
            del self._open[call_id]
        else:
            self._lasting.append(call_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500, help="that are open all the time")
    parser.add_argument("--rate", type=float, default=1.0, help="events per second of each call")
    parser.add_argument("--connects", type=float, default=20.0, help="calls opened per second meanwhile")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--database-url", default=None)
    asked = parser.parse_args()
    tell_machine(
        f"{asked.calls} calls × {asked.rate:g} events/s, {asked.connects:g} more come and go each second"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        put_up(Path(folder), rate=asked.rate, database_url=asked.database_url) as field,
    ):
        field.open(asked.calls, asked.connects)
        with Churn(field, asked.connects) as churn:
            time.sleep(asked.seconds)
        field.silence()
        field.end()
        verdict = field.judge()[0]
    tell_spread("asked → answered, ms", churn.waited)
    print(f"calls refused              {len(churn.refused):9}")
    for met in sorted(set(churn.refused)):
        print(f"    {churn.refused.count(met)} times {met}")
    tell_verdict(verdict)
    sys.exit(not verdict.is_good)


if __name__ == "__main__":
    main()
