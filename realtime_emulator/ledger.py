"""What truly happened: calls, their events, their sidebands and the requests, for tests to hold others against.

It keeps names and times, no words, no SDP, no credential. Millions of events fit: each costs some 45 bytes. Whatever
finds no place is counted, never dropped in silence.
"""

import hashlib
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

KEPT_CALLS = 20_000
KEPT_EVENTS = 10_000_000
KEPT_CLIENT_EVENTS = 1_000_000
KEPT_ATTACHMENTS = 1_000_000
KEPT_REQUESTS = 500_000


def digest_of(payload: bytes) -> str:
    """By which an event goes whose id does not name it: the first 16 digits of its SHA-256."""
    return hashlib.sha256(payload).hexdigest()[:16]


class Room:
    """Places for things of one kind, over all calls; `dropped` counts those that found none."""

    def __init__(self, places: int) -> None:
        self._free, self.dropped = places, 0

    def take(self) -> bool:
        if self._free == 0:
            self.dropped += 1
            return False
        self._free -= 1
        return True

    def give_back(self, places: int) -> None:
        self._free += places


class Events:
    """The server events of one call in the order in which they were sent, in columns."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._types: dict[str, int] = {}
        self._type, self._at = array("H"), array("q")
        self._ids, self._id_ends = bytearray(), array("I")
        self._sidebands, self._channel = array("B"), array("B")
        self._digests: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._at)

    def note(
        self, type: str, event_id: str, at: int, sidebands: int, *, channel: bool, digest: str | None = None
    ) -> None:
        """`digest`: the first 16 hexadecimal digits of the SHA-256 of an event whose id may not name it."""
        if not self._room.take():
            return
        self._type.append(self._types.setdefault(type, len(self._types)))
        self._at.append(at)
        self._ids += event_id.encode("utf-8", "replace")
        self._id_ends.append(len(self._ids))
        self._sidebands.append(min(sidebands, 255))
        self._channel.append(channel)
        if digest is not None:
            self._digests[len(self) - 1] = digest

    def ids(self) -> list[str]:
        return [self._ids[start:end].decode() for start, end in pairwise([0, *self._id_ends])]

    def as_json(self) -> list[dict[str, Any]]:
        """One object each, as a person reads them."""
        names = list(self._types)
        rows = zip(self._type, self.ids(), self._at, self._channel, self._sidebands, strict=True)
        told = [
            {
                "type": names[one],
                "event_id": event_id,
                "sent_at": at,
                "data_channel": channel == 1,
                "sidebands": heard,
            }
            for one, event_id, at, channel, heard in rows
        ]
        for place, digest in self._digests.items():
            told[place]["digest"] = digest
        return told

    def as_columns(self) -> dict[str, Any]:
        """An array for each column, `type` as places in `types`; `digest` is `{place: digest}`."""
        return {
            "types": list(self._types),
            "type": self._type.tolist(),
            "event_id": self.ids(),
            "sent_at": self._at.tolist(),
            "sidebands": self._sidebands.tolist(),
            "digest": self._digests,
        }


@dataclass
class CallRecord:
    """Times are UTC milliseconds. `ended_by` is "hangup", "peer", "upstream", "session_limit" or "shutdown"."""

    id: str
    dialect: str
    opened_at: int
    events: Events
    answered_at: int | None = None
    peer_connected_at: int | None = None
    ended_at: int | None = None
    ended_by: str | None = None
    sidebands: int = 0
    sideband_attaches: int = 0
    audio_in_ms: int = 0
    audio_out_ms: int = 0
    client_events: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    """Each `{"attached_at", "detached_at", "by", "code"}`; the last three are null while it lasts."""

    def as_json(self, events: object) -> dict[str, Any]:
        return vars(self) | {"events": events}


class Ledger:
    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._calls: dict[str, CallRecord] = {}
        self._begin()

    def now(self) -> int:
        return int(self._clock() * 1000)

    def open_call(self, call_id: str, dialect: str) -> CallRecord:
        record = CallRecord(call_id, dialect, self.now(), Events(self._rooms["events"]))
        self._calls[call_id] = record
        if len(self._calls) > KEPT_CALLS:
            self.forget_call(next(iter(self._calls)))
            self._dropped_calls += 1
        return record

    def forget_call(self, call_id: str) -> None:
        """Its offer was refused, so there was no call; or there is no more place for it."""
        if record := self._calls.pop(call_id, None):
            self._rooms["events"].give_back(len(record.events))
            self._rooms["client_events"].give_back(len(record.client_events))
            self._rooms["attachments"].give_back(len(record.attachments))

    def forget_what_is_over(self) -> None:
        """Begin anew: calls that ended and all requests go, calls that are open keep what is known of them."""
        still_open = {one.id: one for one in self._calls.values() if one.ended_at is None}
        for call_id in self._calls.keys() - still_open.keys():
            self.forget_call(call_id)
        self._dropped_calls = self._dropped_requests = 0
        self._requests.clear()

    def note_request(
        self,
        method: str,
        path: str,
        status: int,
        auth: str,
        call_id: str | None = None,
        at: int | None = None,
    ) -> None:
        """`at`: when it came (default: now); it is noted when its answer is known."""
        if len(self._requests) == KEPT_REQUESTS:
            self._dropped_requests += 1
        self._requests.append((at or self.now(), method, path, status, auth, call_id))

    def note_client_event(self, record: CallRecord, via: str, type: str, event_id: str | None) -> None:
        if self._rooms["client_events"].take():
            noted = {"via": via, "type": type, "event_id": event_id, "at": self.now()}
            record.client_events.append(noted)

    def note_attached(self, record: CallRecord) -> dict[str, Any]:
        """Returns the attachment; `note_detached` completes it."""
        attachment = {"attached_at": self.now(), "detached_at": None, "by": None, "code": None}
        record.sideband_attaches += 1
        if self._rooms["attachments"].take():
            record.attachments.append(attachment)
        return attachment

    def note_detached(self, attachment: dict[str, Any], by: str, code: int) -> None:
        """Only the first time counts."""
        if attachment["detached_at"] is None:
            attachment.update(detached_at=self.now(), by=by, code=code)

    def as_json(self, call_id: str | None = None) -> dict[str, Any]:
        calls = [one for one in self._calls.values() if call_id in (None, one.id)]
        return {
            **self._summary(),
            "calls": [one.as_json(one.events.as_json()) for one in calls],
            "requests": self._requests_as_json(),
        }

    def call_ids(self) -> list[str]:
        return list(self._calls)

    def call_in_columns(self, call_id: str) -> dict[str, Any] | None:
        """One call with its events in columns; None when it was forgotten meanwhile."""
        record = self._calls.get(call_id)
        return record.as_json(record.events.as_columns()) if record else None

    def heading(self) -> dict[str, Any]:
        """What the compact form begins with."""
        return {**self._summary(), "requests": self._requests_as_json()}

    def _begin(self) -> None:
        self._requests: deque[tuple[int, str, str, int, str, str | None]] = deque(maxlen=KEPT_REQUESTS)
        self._dropped_calls = self._dropped_requests = 0
        self._rooms = {
            "events": Room(KEPT_EVENTS),
            "client_events": Room(KEPT_CLIENT_EVENTS),
            "attachments": Room(KEPT_ATTACHMENTS),
        }

    def _summary(self) -> dict[str, Any]:
        dropped = {name: room.dropped for name, room in self._rooms.items()}
        return {
            "open_calls": sum(one.ended_at is None for one in self._calls.values()),
            "dropped": dropped | {"calls": self._dropped_calls, "requests": self._dropped_requests},
        }

    def _requests_as_json(self) -> list[dict[str, Any]]:
        names = ("at", "method", "path", "status", "auth", "call_id")
        return [dict(zip(names, one, strict=True)) for one in self._requests]
