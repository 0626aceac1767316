"""One call's log, as its holder writes it: numbers the events, keeps what of them may be kept, folds what is on disk.

Knows order and time; what may be kept is discretion.py's. Before the commit it looks at an event's type and id only;
what an event means is asked after.
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
from call_log.store import Store
from observer.discretion import Discretion, Entry
from observer.ending import SIGNS_OF_A_PEER
from observer.redaction import Rule
from observer.writer import Writer, wall_clock
from realtime.events import header
from realtime.events import read as read_event
from realtime.prices import Prices
from realtime.summary import summarise
from realtime.turns import Conversation

READ_ROWS = 1_000
OBSERVER_HANG_UP = ("observer", "observer.hang_up")
LINE_REPORTS = frozenset({"connection", "channel"})
CLOSED_STATES = frozenset({"closed", "failed"})


class Record:
    """The log of one held call. `lost` is set when another node has taken the call."""

    def __init__(
        self, call: Call, writer: Writer, prices: Prices, rule: Rule, clock: Callable[[], int] = wall_clock
    ) -> None:
        self.number, self.epoch, self._seq = call.number, call.epoch, call.last_seq
        self._writer, self.clock = writer, clock
        self._discretion = Discretion(rule, self._append)
        self._conversation, self._prices = Conversation(), prices
        self._models = call.underlying, call.transcription
        self._summarised_seq = 0
        self.last_at: int | None = None
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

    async def room(self) -> None:
        """Wait until the writer takes more."""
        await self._writer.room()

    def hear(self, raw: bytes) -> None:
        """Record one upstream event; exactly as it came, where its profile does not want otherwise."""
        said = header(raw)
        if said.type in SIGNS_OF_A_PEER:
            self.peer_seen.set()
        self._keep("upstream", said.type, said.event_id, raw)

    def note(self, type: str, **facts: Any) -> None:
        """Record something that this observer did or noticed."""
        body = json.dumps({"type": type, **facts}, ensure_ascii=True).encode()
        self._keep("observer", type, None, body)

    def take(self, message: Message) -> None:
        """Make an inbox message an event of this call; it is taken when the event is on disk."""
        said = json.loads(message.body or "{}")
        source, type = (
            ("browser", f"browser.{said['kind']}") if message.kind == "report" else OBSERVER_HANG_UP
        )
        if source == "browser":
            self.peer_seen.set()
            self._hear_browser(said)
        body = json.dumps({"type": type, **said}, ensure_ascii=True).encode()
        self._keep(source, type, None, body, message.id)

    def _hear_browser(self, said: dict[str, Any]) -> None:
        if said["kind"] in LINE_REPORTS and said.get("state") in CLOSED_STATES:
            self.browser_remains = True

    def summary_is_due(self) -> bool:
        """Whether anything was folded since the last summary."""
        return self._summarised_seq < self._conversation.last_seq

    def summary(self) -> str:
        """What the call's row says of the conversation, as JSON text."""
        self._summarised_seq = self._conversation.last_seq
        return json.dumps(summarise(self._conversation, self._prices, *self._models))

    def committed(self, rows: list[EventRow]) -> None:
        """These rows are on disk: now they may mean something."""
        self._fold(rows)

    def refused(self) -> None:
        """Another node holds this call."""
        self.lost.set()

    async def settled(self) -> None:
        """Wait until everything that was heard so far is with the writer: what is kept of it may take time."""
        await self._discretion.settled()

    def _keep(
        self, source: str, type: str, event_id: str | None, body: bytes, message_id: int | None = None
    ) -> None:
        self._discretion.take(Entry(source, type, event_id, body, self.clock(), message_id))

    def _append(self, entry: Entry) -> None:
        self._seq += 1
        row = EventRow(self.number, self._seq, entry.at, entry.source, entry.type, entry.event_id, entry.body)
        self._writer.append(self, row, entry.message_id)

    def _fold(self, rows: list[EventRow]) -> None:
        for row in rows:
            self._conversation.hear(row.seq, row.at, row.source, row.body)
            self.last_at = row.at
            if row.source == "upstream" and row.type == "error":
                self.session_expired |= _code(row.body) == "session_expired"


def _code(raw: bytes) -> object:
    said = read_event(raw) or {}
    error = said.get("error")
    return error.get("code") if isinstance(error, dict) else None
