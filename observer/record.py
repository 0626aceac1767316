"""One call's log, as its holder writes it: numbers the events, keeps their text as it came, folds what is on disk.

Knows order and time. Before the commit it looks at an event's type and id only; what an event means is asked after.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from call_log import events
from call_log.call import Call
from call_log.events import EventRow
from call_log.inbox import Message
from call_log.recording import handed_on
from call_log.store import Store
from observer.ending import SIGNS_OF_A_PEER
from observer.writer import Writer, wall_clock
from realtime.events import header
from realtime.events import read as read_event
from realtime.prices import Prices
from realtime.summary import summarise
from realtime.turns import Conversation

READ_ROWS = 1_000
REMEMBERED = 4_096
OBSERVER_HANG_UP = ("observer", "observer.hang_up")
LINE_REPORTS = frozenset({"connection", "channel"})
CLOSED_STATES = frozenset({"closed", "failed"})


class Record:
    """The log of one held call. `lost` is set when another node has taken the call."""

    def __init__(
        self,
        call: Call,
        writer: Writer,
        prices: Prices,
        clock: Callable[[], int] = wall_clock,
        accuse: Callable[[int], None] = lambda number: None,
    ) -> None:
        """`accuse` is told the call's number while an event is worked on, and 0 after."""
        self.number, self.epoch, self._seq = call.number, call.epoch, call.last_seq
        self._writer, self.clock, self._accuse = writer, clock, accuse
        self._conversation, self._prices = Conversation(), prices
        self._models = call.underlying, call.transcription
        self._known: dict[str | bytes, None] = {}
        self._summarised_seq, self._last_summary = 0, call.summary
        self.last_at: int | None = None
        self.left_at: int | None = None
        """When the last holder closed its sideband, where it lived to say so."""
        self.peer_seen = asyncio.Event()
        if call.peer_seen_at is not None:
            self.peer_seen.set()
        self.session_expired = False
        self.browser_remains = False
        """The browser said that its line is closed: it did not leave, for it is there to say so."""

        self.lost = asyncio.Event()

    def remember(self, store: Store) -> None:
        """Fold what earlier holders wrote. Blocks; called before anything is recorded."""
        with store.reading() as db:
            while rows := events.after(db, self.number, self._conversation.last_seq, limit=READ_ROWS):
                self._fold(rows)
                for row in rows:
                    self._is_known(row.event_id or row.body)

    async def room(self) -> None:
        """Wait until the writer takes more."""
        await self._writer.room()

    def hear(self, raw: bytes) -> None:
        """Record one upstream event exactly as it came, unless it is there already: two sidebands overlap while a call
        changes hands."""
        self._accuse(self.number)
        said = header(raw)
        self._accuse(0)
        if self._is_known(said.event_id or raw):
            return
        if said.type in SIGNS_OF_A_PEER:
            self.peer_seen.set()
        self._append("upstream", said.type, said.event_id, raw)

    def note(self, type: str, **facts: Any) -> None:
        """Record something that this observer did or noticed."""
        body = json.dumps({"type": type, **facts}, ensure_ascii=True).encode()
        self._append("observer", type, None, body)

    def take(self, message: Message) -> None:
        """Make an inbox message an event of this call; it is taken when the event is on disk."""
        if message.kind == "late":
            self._take_late(message)
            return
        said = json.loads(message.body or "{}")
        source, type = (
            ("browser", f"browser.{said['kind']}") if message.kind == "report" else OBSERVER_HANG_UP
        )
        if source == "browser":
            self.peer_seen.set()
            self._hear_browser(said)
        body = json.dumps({"type": type, **said}, ensure_ascii=True).encode()
        self._append(source, type, None, body, message.id)

    def _take_late(self, message: Message) -> None:
        """Record what an earlier holder heard and could not write, where it is not there already; then say so."""
        came = handed_on(message)
        missing = [kept.row for kept in came if not self._is_known(kept.row.event_id or kept.row.body)]
        for row in missing:
            self._seq += 1
            self._writer.append(self, row._replace(seq=self._seq))
        at = [row.at for row in missing]
        said = {
            "type": "observer.late",
            "node": message.by,
            "events": len(missing),
            "known": len(came) - len(missing),
            "from_at": min(at, default=None),
            "until_at": max(at, default=None),
        }
        self._append("observer", "observer.late", None, json.dumps(said).encode(), message.id)

    def _is_known(self, key: str | bytes) -> bool:
        """Whether this event is in the log; from now on it is. Of each call the last few thousand are remembered."""
        if key in self._known:
            return True
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return False

    def _hear_browser(self, said: dict[str, Any]) -> None:
        if said["kind"] in LINE_REPORTS and said.get("state") in CLOSED_STATES:
            self.browser_remains = True

    def summary_is_due(self) -> bool:
        """Whether anything was folded since the last summary."""
        return self._summarised_seq < self._conversation.last_seq

    def summary(self) -> str:
        """What the call's row says of the conversation, as JSON text."""
        if self._last_summary is not None and not self._conversation.last_seq:
            return self._last_summary
        self._summarised_seq = self._conversation.last_seq
        return json.dumps(summarise(self._conversation, self._prices, *self._models))

    def committed(self, rows: list[EventRow]) -> None:
        """These rows are on disk: now they may mean something."""
        self._fold(rows)

    def refused(self) -> None:
        """Another node holds this call."""
        self.lost.set()

    def _append(
        self, source: str, type: str, event_id: str | None, body: bytes, message_id: int | None = None
    ) -> None:
        self._seq += 1
        row = EventRow(self.number, self._seq, self.clock(), source, type, event_id, body)
        self._writer.append(self, row, message_id)

    def _fold(self, rows: list[EventRow]) -> None:
        self._accuse(self.number)
        for row in rows:
            self._conversation.hear(row.seq, row.at, row.source, row.body)
            self.last_at = row.at
            if row.source == "observer" and row.type in ("observer.attached", "observer.detached"):
                self.left_at = row.at if row.type == "observer.detached" else None
            if row.source == "upstream" and row.type == "error":
                self.session_expired |= _code(row.body) == "session_expired"
        self._accuse(0)


def _code(raw: bytes) -> object:
    said = read_event(raw) or {}
    error = said.get("error")
    return error.get("code") if isinstance(error, dict) else None
