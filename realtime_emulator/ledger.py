"""What truly happened: calls, their events and the requests, for tests to hold others against.

It keeps names and times, no words, no SDP, no credential.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT_CALLS = 1000
KEPT_EVENTS = 5000
KEPT_REQUESTS = 5000


@dataclass
class CallRecord:
    """Times are UTC milliseconds. `ended_by` is "hangup", "peer" or "shutdown"."""

    id: str
    dialect: str
    opened_at: int
    answered_at: int | None = None
    peer_connected_at: int | None = None
    ended_at: int | None = None
    ended_by: str | None = None
    sidebands: int = 0
    sideband_attaches: int = 0
    audio_in_ms: int = 0
    audio_out_ms: int = 0
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    client_events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"events": list(self.events), "client_events": list(self.client_events)}


class Ledger:
    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._calls: dict[str, CallRecord] = {}
        self._requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)

    def now(self) -> int:
        return int(self._clock() * 1000)

    def open_call(self, call_id: str, dialect: str) -> CallRecord:
        record = CallRecord(call_id, dialect, self.now())
        self._calls[call_id] = record
        if len(self._calls) > KEPT_CALLS:
            del self._calls[next(iter(self._calls))]
        return record

    def forget_call(self, call_id: str) -> None:
        """Its offer was refused, so there was no call."""
        self._calls.pop(call_id, None)

    def note_request(self, method: str, path: str, status: int, auth: str) -> None:
        self._requests.append({"method": method, "path": path, "status": status, "auth": auth})

    def as_json(self, call_id: str | None = None) -> dict[str, Any]:
        calls = [one for one in self._calls.values() if call_id in (None, one.id)]
        return {
            "open_calls": sum(one.ended_at is None for one in self._calls.values()),
            "calls": [one.as_json() for one in calls],
            "requests": list(self._requests),
        }
