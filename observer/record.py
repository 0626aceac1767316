"""One call's log, as its holder writes it: numbers the events, keeps what of them may be kept, folds what is on disk.

Knows order and time; what may be kept is discretion.py's. Before the commit it looks at an event's type and id only;
what an event means is asked after.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from call_log import events, inheritance
from call_log.call import Call
from call_log.events import EventRow
from call_log.inbox import Message
from call_log.inheritance import LastWord
from call_log.recording import UPSTREAM, handed_on
from call_log.seal import Chain
from call_log.store import Store
from observer.budget import Allowance, Dropped, Pace, Waiting
from observer.discretion import Discretion, Entry
from observer.doubles import Doubles
from observer.ending import MAYBE_SIGNS_OF_A_PEER, shows_a_peer
from observer.flag import Flag
from observer.line import Line
from observer.recollection import Recollection
from observer.trouble import DEGRADED, Trouble
from observer.writer import wall_clock
from realtime.client_events import ITEM_CREATE
from realtime.content import LineSource
from realtime.events import ACTED_ON, WEBRTC_FILTER_ALLOWED, header, read
from realtime.fields import Event
from realtime.tool_calls import announced

TRUNCATED = "observer.truncated"
OBSERVER_HANG_UP: Final[tuple[LineSource, str]] = ("observer", "observer.hang_up")
LINE_REPORTS = frozenset({"connection", "channel"})
CLOSED_STATES = frozenset({"closed", "failed"})


class Record:
    """The log of one held call. `lost` is set when another node has taken the call."""

    def __init__(
        self,
        call: Call,
        line: Line,
        act: Callable[[Event], None] = lambda event: None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        """`act` is given each event that anything may be done about, once it is on disk."""
        self.number, self.epoch, self._seq = call.number, call.epoch, call.last_seq
        self._writer, self.clock, limits = line.writer, clock, line.limits
        self._accuse = line.lock.accuse
        # A call that was dialled before there were seals has no salt.
        self._chain = (
            Chain(line.seal, call.call_id, call.salt, call.head) if line.seal and call.salt else None
        )
        self._discretion = Discretion(line.redactions.rule(call), self._append)
        self.recollection = Recollection(call, line.prices, line.lock.accuse)
        self.last_at: int | None = None
        self.hung_up_for: str | None = None
        """Why an earlier holder was about to hang up by itself, where it said so; it may have died since."""
        self.peer_seen = Flag()
        if call.peer_seen_at is not None:
            self.peer_seen.set()
        self._act: Callable[[Event], None] = act
        self._heard: dict[int, Event] = {}
        self._our_items: set[str] = set()
        self._trouble = Trouble()
        self._doubles = Doubles(limits.ids_remembered)
        self._pace, self._waiting = Pace(limits), Waiting(limits.call_waiting_max_bytes)
        self._allowance, self._dropped = Allowance(limits.call_max_bytes), Dropped()
        self.browser_remains = False
        """The browser said that its line is closed: it did not leave, for it is there to say so."""

        self.lost = Flag()

    def read_back(self, store: Store) -> list[EventRow]:
        """The end of what earlier holders wrote. Blocks."""
        with store.reading() as db:
            return events.last(db, self.number, limit=inheritance.RECALLED_ROWS)

    def recall(self, rows: Sequence[EventRow]) -> None:
        """What earlier holders wrote is known from here on: its events, its troubles, whether it was too much."""
        self.recollection.recall(rows)
        for row in rows:
            self._trouble.hear(row)
            if (row.source, row.type) == OBSERVER_HANG_UP:
                said = read(row.body) or {}
                self.hung_up_for = said.get("reason") if said.get("by") == "observer" else self.hung_up_for
            self._allowance.is_used_up |= row.type == TRUNCATED
            if row.source == UPSTREAM:
                self._doubles.recall(row.event_id, row.body if self._discretion.keeps_everything else None)

    @property
    def session_expired(self) -> bool:
        """The upstream said that the session is at its cap."""
        return self._trouble.session_expired

    @property
    def server_errors(self) -> int:
        """How often the upstream said that it had failed; of what is on disk."""
        return self._trouble.server_errors

    async def room(self, size: int) -> None:
        """After an event of so many bytes: wait until the writer takes more, and until this call may go on."""
        await self._writer.room()
        await self._waiting.room()
        pause = self._pace.spend(size, asyncio.get_running_loop().time())
        if pause:
            await asyncio.sleep(pause)

    def hear(self, raw: bytes) -> None:
        """Record one upstream event; exactly as it came, where its profile does not want otherwise. One that came
        before is recorded already."""
        self._accuse(self.number)
        said = header(raw)
        self._accuse(0)
        event = read(raw) if said.type in ACTED_ON or said.type in MAYBE_SIGNS_OF_A_PEER else None
        if shows_a_peer(said.type, event, self._our_items):
            self.peer_seen.set()
        seen = self._doubles.see(said.event_id, raw)
        if seen == "again":
            return
        if not self._takes(said.type, len(raw)):
            self._dropped.add(len(raw), self.clock())
            return
        self._keep(UPSTREAM, said.type, said.event_id, raw, heard=event if said.type in ACTED_ON else None)
        if seen == "changed":
            self.note("observer.id_reused", event_id=said.event_id)

    def _takes(self, type: str, size: int) -> bool:
        was_used_up = self._allowance.is_used_up
        takes = self._allowance.takes(type, size)
        if self._allowance.is_used_up and not was_used_up:
            self.note(TRUNCATED)
        return takes

    def note_dropped(self) -> None:
        """Tell in the log of what was heard and not recorded, where there is any."""
        dropped, self._dropped = self._dropped, Dropped()
        if dropped.events:
            self.note("observer.gap", cause="truncated", **vars(dropped))

    def degraded(self, cause: str, **facts: Any) -> None:
        """Note that something is not well with the upstream; each cause once in the life of a call."""
        if self._trouble.is_new(cause):
            self.note(DEGRADED, cause=cause, **facts)

    def note(self, type: str, **facts: Any) -> None:
        """Record something that this observer did or noticed."""
        body = json.dumps({"type": type, **facts}, ensure_ascii=True).encode()
        self._keep("observer", type, None, body)

    def say(self, source: LineSource, event: Event, event_id: str) -> None:
        """Record a client event that is about to be sent. `source`: on whose behalf."""
        if event["type"] == ITEM_CREATE:
            self._our_items.add(event["item"]["id"])
        self._keep(source, event["type"], event_id, json.dumps(event, ensure_ascii=True).encode())

    def take(self, message: Message) -> None:
        """Make an inbox message an event of this call; it is taken when the event is on disk."""
        said = json.loads(message.body or "{}")
        source: LineSource
        source, type = (
            ("browser", f"browser.{said['kind']}") if message.kind == "report" else OBSERVER_HANG_UP
        )
        if source == "browser":
            self.peer_seen.set()
            self._hear_browser(said)
        body = json.dumps({"type": type, **said}, ensure_ascii=True).encode()
        self._keep(source, type, None, body, message.id)

    def take_late(self, message: Message) -> LastWord | None:
        """Record what an earlier holder heard and could not write, where it is not there already; then say so. Returns
        that holder's last word, where this is it."""
        late = handed_on(message)
        missing = [k.row for k in late.rows if self._doubles.see(k.row.event_id, k.row.body) != "again"]
        for row in missing:
            self._write(row._replace(digest=None, link=None))  # it gets a place in this chain
        at = [row.at for row in missing]
        said = {
            "type": "observer.late",
            "node": message.by,
            "events": len(missing),
            "known": len(late.rows) - len(missing),
            "from_at": min(at, default=None),
            "until_at": max(at, default=None),
            "whole": late.word.whole if late.word else None,
        }
        body = json.dumps(said).encode()
        self._append(Entry("observer", "observer.late", None, body, self.clock(), message.id))
        return late.word

    def _hear_browser(self, said: dict[str, Any]) -> None:
        if said["kind"] in LINE_REPORTS and said.get("state") in CLOSED_STATES:
            self.browser_remains = True

    @property
    def last_seq(self) -> int:
        """The number of the last line."""
        return self._seq

    def committed(self, rows: list[EventRow]) -> None:
        """These rows are on disk: now they may mean something."""
        self.recollection.committed(rows)
        self._accuse(self.number)
        self.last_at = rows[-1].at
        troubles = [trouble for row in rows if (trouble := self._trouble.hear(row))]
        self._accuse(0)
        for row in rows:
            self._waiting.done(len(row.body))
        for trouble in troubles:
            self.note(DEGRADED, **trouble)
        for row in rows:
            if (event := self._heard.pop(row.seq, None)) is not None:
                self._act(event)

    def refused(self) -> None:
        """Another node holds this call."""
        self._waiting.give_up()
        self.lost.set()

    async def settled(self) -> None:
        """Wait until everything that was heard so far is with the writer: what is kept of it may take time."""
        await self._discretion.settled()

    def _keep(
        self,
        source: LineSource,
        type: str,
        event_id: str | None,
        body: bytes,
        message_id: int | None = None,
        heard: Event | None = None,
    ) -> None:
        self._discretion.take(Entry(source, type, event_id, body, self.clock(), message_id, heard))

    def _append(self, entry: Entry) -> None:
        browser = entry.source == UPSTREAM and entry.type in WEBRTC_FILTER_ALLOWED
        row = EventRow(
            self.number, 0, entry.at, entry.source, entry.type, entry.event_id, entry.body, browser
        )
        # The model waits for a tool, and the caller for the model.
        urgent = entry.heard is not None and announced(entry.heard) is not None
        self._write(row, entry.message_id, urgent)
        if entry.heard is not None:
            self._heard[self._seq] = entry.heard

    def _write(self, row: EventRow, message_id: int | None = None, urgent: bool = False) -> None:
        self._seq += 1
        self._allowance.spend(len(row.body))
        self._waiting.add(len(row.body))
        row = row._replace(seq=self._seq)
        self._writer.append(self, self._chain.sealed(row) if self._chain else row, message_id, urgent)
