"""What all parts of one call share, and the one way on which events leave it. Decides nothing about turns."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from realtime_emulator.conversation import Conversation
from realtime_emulator.dialects import Dialect
from realtime_emulator.events import FILTERED_TYPES, make_event
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.ledger import CallRecord, Ledger, digest_of
from realtime_emulator.mishaps import DUPLICATE, OUT_OF_ORDER, USED_ID, Mishaps
from realtime_emulator.refusals import Mistake
from realtime_emulator.script import Script
from realtime_emulator.session import Session


class Outlet(Protocol):
    """Somewhere events go: a data channel or a sideband."""

    def send(self, text: str) -> bool:
        """Whether it is on its way."""


@dataclass
class Line:
    call_id: str
    dialect: Dialect
    ids: Identifiers
    chance: random.Random
    session: Session
    conversation: Conversation
    script: Script
    mishaps: Mishaps
    record: CallRecord
    ledger: Ledger
    filtered: bool
    """The call was made with `webrtcfilter=on`."""
    legacy_item_created: bool = False
    """Each added item is announced under the beta's name too; OpenAI's API schema still lists both."""
    channel: Outlet | None = None
    sidebands: list[Outlet] = field(default_factory=list)
    held: list[Callable[[], None]] = field(default_factory=list)
    """At most one event that waits for the next to overtake it."""

    def emit(self, type: str, /, **fields: Any) -> None:
        """To everybody who listens."""
        self._deliver(type, fields, self.channel, self.sidebands)
        if type == "conversation.item.added" and self.legacy_item_created:
            self._deliver("conversation.item.created", fields, self.channel, self.sidebands)

    def say(self, type: str, event_id: str, text: str) -> None:
        """An event that is written already, to everybody who listens."""
        self._hand_out(type, event_id, text, self.channel, self.sidebands)

    def greet(self, outlet: Outlet) -> None:
        """`session.created`, to one listener alone."""
        channel = outlet if outlet is self.channel else None
        sidebands = [] if channel else [outlet]
        self._deliver("session.created", {"session": self.session.as_json()}, channel, sidebands)

    def tell(self, sideband: Outlet, type: str, /, **fields: Any) -> None:
        """To one sideband alone."""
        self._deliver(type, fields, None, [sideband])

    def tell_page(self, type: str, /, **fields: Any) -> None:
        """To the page alone."""
        self._deliver(type, fields, self.channel, [])

    def trouble(self, error: dict[str, Any], outlet: Outlet | None = None) -> None:
        """An `error` event that no client event caused: to one sideband, or to everybody."""
        told = {"type": "invalid_request_error", "code": None, "param": None, "event_id": None, **error}
        sidebands = [outlet] if outlet else self.sidebands
        self._deliver("error", {"error": told}, None if outlet else self.channel, sidebands)

    def complain(self, mistake: Mistake, event_id: str | None, sender: Outlet) -> None:
        """An `error` event, to whoever made the mistake and to the sidebands."""
        channel = self.channel if sender is self.channel else None
        error = mistake.as_error() | {"event_id": event_id}
        self._deliver("error", {"error": error}, channel, self.sidebands)

    def _deliver(
        self, type: str, fields: dict[str, Any], channel: Outlet | None, sidebands: list[Outlet]
    ) -> None:
        event = make_event(self.ids, type, fields)
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        self._hand_out(type, event["event_id"], text, channel, sidebands)

    def _hand_out(
        self, type: str, event_id: str, text: str, channel: Outlet | None, sidebands: list[Outlet]
    ) -> None:
        if not self.held and self.mishaps.take(OUT_OF_ORDER, self.call_id):
            self.held.append(lambda: self._send(type, event_id, text, channel, sidebands))
            return
        self._send(type, event_id, text, channel, sidebands)
        if self.mishaps.take(DUPLICATE, self.call_id):
            self._send(type, event_id, text, None, sidebands)
        if self.mishaps.take(USED_ID, self.call_id):
            self._send(type, event_id, f'{text[:-1]},"again":true}}', None, sidebands, names=False)
        if self.held:
            self.held.pop()()

    def _send(
        self,
        type: str,
        event_id: str,
        text: str,
        channel: Outlet | None,
        sidebands: list[Outlet],
        *,
        names: bool = True,
    ) -> None:
        """`names`: its id names this event and no other."""
        at = self.ledger.now()
        if self.filtered and type not in FILTERED_TYPES:
            channel = None
        if channel is not None:
            channel.send(text)
        heard = sum([outlet.send(text) for outlet in sidebands])
        digest = None if names else digest_of(text.encode())
        self.record.events.note(type, event_id, at, heard, channel=channel is not None, digest=digest)
