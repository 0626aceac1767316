"""Following a call's log over HTTP until the call is over.

Knows the cursor and patience: a web process that is started anew in between is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from switchboard.service import Service, Trouble

AT_ONCE = 500
LOOK_SECONDS = 0.25
SETTLING_SECONDS = 1.5
"""After the end the observer still writes its last lines."""
AWAY_LONGEST_SECONDS = 30.0
OVER = ("ended", "failed")

Sleep = Callable[[float], None]


def follow(service: Service, call_id: str, after: int, sleep: Sleep = time.sleep) -> Iterator[dict[str, Any]]:
    """The events behind `after`, as they come; ends with the call."""
    settled = 0.0
    while True:
        page = _page(service, call_id, after, sleep)
        yield from page["events"]
        after = page["next_after"]
        if page["events"]:
            settled = 0.0
        elif page["state"] in OVER:
            if settled >= SETTLING_SECONDS:
                return
            settled += LOOK_SECONDS
        if len(page["events"]) < AT_ONCE:
            sleep(LOOK_SECONDS)


def _page(service: Service, call_id: str, after: int, sleep: Sleep) -> dict[str, Any]:
    away = 0.0
    while True:
        try:
            return service.get(f"/calls/{call_id}/events", after=after, limit=AT_ONCE)
        except Trouble as trouble:
            if not trouble.passing or away >= AWAY_LONGEST_SECONDS:
                raise
        sleep(1.0)
        away += 1.0
