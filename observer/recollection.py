"""What a call's log amounts to: the fold of all its committed events, and the summary that its row shows.

A holder that takes a long call over must not read all of it before it attaches: what is said meanwhile would be
lost. So it records at once, and catches up beside that with what earlier holders wrote since one of them last packed
the numbers. Knows order; what an event means is realtime's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NotRequired, TypedDict

from call_log import events
from call_log.call import Call
from call_log.events import EventRow
from call_log.store import Store, StoreUnavailable
from realtime.caps import Tally
from realtime.events import read
from realtime.prices import Prices
from realtime.summary import summarise
from realtime.turns import OBSERVER, Conversation

READ_ROWS = 500
"""At once: as many take the event loop a few milliseconds to fold."""
KEPT_ITEMS = 12
"""Of a conversation; of older ones only the numbers. Next to nothing is said any more about an item of some exchanges
ago, and each is many objects."""
CARRIED_LINES = 100
"""Once so many more are folded, their numbers are packed anew: whoever takes the call over reads about as many."""
PACKING: Final = 1
"""Of what kind the packed numbers are; what another version of this code packed otherwise is not gone on from."""
RETRY_SECONDS = 0.5
NEAR = "observer.limit_near"
WRAP_UP = "wrap_up_"
"""Begins the id of the command by which the model is asked to say goodbye."""


class Columns(TypedDict):
    """Of the call's row. `summary` and `carried` are JSON text; `carried` is there when it has changed."""

    summary: str
    spent: int
    carried: NotRequired[str]


class Recollection:
    """Of one call. Everything but the reading happens in the event loop."""

    def __init__(self, call: Call, prices: Prices, accuse: Callable[[int], None]) -> None:
        """`accuse` is told the call's number while its events are folded, and 0 after."""
        self._accuse = accuse
        self._number, self._committed_seq = call.number, call.last_seq
        self.marks: set[str] = set()
        """What was said of the call's limits: `wrap_up_<limit>`, `observer.limit_near:<limit>`."""

        self._conversation, self._prices = self._go_on(call.carried), prices
        self._carried_seq = self._conversation.last_seq
        self._models = call.underlying, call.transcription
        self._last_summary, self._summarised_seq = call.summary, 0
        self._last_tally = Tally.of(json.loads(call.summary)) if call.summary else Tally()
        self.spent_written = call.spent

    @property
    def is_whole(self) -> bool:
        """Whether everything that is committed is folded."""
        return self._conversation.last_seq >= self._committed_seq

    def committed(self, rows: Sequence[EventRow]) -> None:
        """These rows are on disk. They are folded now, or found there in their turn."""
        if self.is_whole:
            self._fold(rows)
        self._committed_seq = rows[-1].seq

    def recall(self, end: Sequence[EventRow]) -> None:
        """The end of the log, in order, as it was read for another purpose: folded, where nothing is missing between it
        and what is folded."""
        if end and end[0].seq <= self.folded_seq + 1:
            self._fold(end)

    async def catch_up(self, store: Store, turn: asyncio.Semaphore) -> None:
        """Read and fold until it is whole, however long the store is away; `turn`: so many calls read at once."""
        while not self.is_whole:
            try:
                async with turn:
                    rows = await asyncio.to_thread(self._read, store)
            except StoreUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._fold(rows)

    @property
    def folded_seq(self) -> int:
        """The last line that is folded."""
        return self._conversation.last_seq

    def tally(self) -> Tally:
        """What the call has used; as the last summary told it, until everything is folded."""
        return Tally.of(self._summarised()) if self.is_whole else self._last_tally

    def quiet_ms(self, now: int, since: int) -> int:
        """For how long nobody has spoken, counted from `since` at the earliest (UTC milliseconds)."""
        return self._conversation.quiet_ms(now, since)

    def summary_is_due(self) -> bool:
        """Whether anything was folded since the last summary."""
        return self.is_whole and self._summarised_seq < self._conversation.last_seq

    def columns(self) -> Columns:
        """What the call's row says of the conversation; as it was, until everything is folded."""
        if self._last_summary is not None and not self.is_whole:
            return {"summary": self._last_summary, "spent": self.spent_written}
        self._summarised_seq = self._conversation.last_seq
        summary = self._summarised()
        self.spent_written = Tally.of(summary).spent
        columns: Columns = {"summary": json.dumps(summary), "spent": self.spent_written}
        if (carried := self._carry()) is not None:
            columns["carried"] = carried
        return columns

    def _carry(self) -> str | None:
        if self._conversation.last_seq - self._carried_seq < CARRIED_LINES:
            return None
        packed = self._conversation.packed()
        if packed is None:
            return None
        self._carried_seq = self._conversation.last_seq
        return json.dumps({"packing": PACKING, "marks": sorted(self.marks), "conversation": packed})

    def _go_on(self, carried: str | None) -> Conversation:
        said = json.loads(carried) if carried is not None else {}
        if said.get("packing") != PACKING:
            return Conversation()
        self.marks.update(said["marks"])
        return Conversation.unpacked(said["conversation"])

    def _summarised(self) -> dict[str, Any]:
        return summarise(self._conversation, self._prices, *self._models)

    def _fold(self, rows: Sequence[EventRow]) -> None:
        self._accuse(self._number)
        for row in rows:
            self._conversation.hear(row.seq, row.at, row.source, row.body)
            if row.source == OBSERVER:
                self._mark(row)
        self._conversation.forget(KEPT_ITEMS)
        self._accuse(0)

    def _mark(self, row: EventRow) -> None:
        if row.event_id is not None and row.event_id.startswith(WRAP_UP):
            self.marks.add(row.event_id)
        elif row.type == NEAR:
            self.marks.add(f"{NEAR}:{(read(row.body) or {}).get('limit')}")

    def _read(self, store: Store) -> list[EventRow]:
        with store.reading() as db:
            return events.after(db, self._number, self._conversation.last_seq, limit=READ_ROWS)
