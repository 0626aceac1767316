"""What a call's log amounts to: the fold of all its committed events, and the summary that its row shows.

A holder that takes a long call over must not read all of it before it attaches: what is said meanwhile would be
lost. So it records at once, and catches up with what earlier holders wrote beside that. Knows order; what an event
means is realtime's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

from call_log import events
from call_log.call import Call
from call_log.events import EventRow
from call_log.store import Store, StoreUnavailable
from realtime.prices import Prices
from realtime.summary import summarise
from realtime.turns import Conversation

READ_ROWS = 500
"""At once: as many take the event loop a few milliseconds to fold."""
RETRY_SECONDS = 0.5


class Recollection:
    """Of one call. Everything but the reading happens in the event loop."""

    def __init__(self, call: Call, prices: Prices, accuse: Callable[[int], None]) -> None:
        """`accuse` is told the call's number while its events are folded, and 0 after."""
        self._accuse = accuse
        self._number, self._committed_seq = call.number, call.last_seq
        self._conversation, self._prices = Conversation(), prices
        self._models = call.underlying, call.transcription
        self._last_summary, self._summarised_seq = call.summary, 0

    @property
    def is_whole(self) -> bool:
        """Whether everything that is committed is folded."""
        return self._conversation.last_seq >= self._committed_seq

    def committed(self, rows: Sequence[EventRow]) -> None:
        """These rows are on disk. They are folded now, or found there in their turn."""
        if self.is_whole:
            self._fold(rows)
        self._committed_seq = rows[-1].seq

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

    def summary_is_due(self) -> bool:
        """Whether anything was folded since the last summary."""
        return self.is_whole and self._summarised_seq < self._conversation.last_seq

    def summary(self) -> str:
        """What the call's row says of the conversation, as JSON text; as it was, until everything is folded."""
        if self._last_summary is not None and not self.is_whole:
            return self._last_summary
        self._summarised_seq = self._conversation.last_seq
        return json.dumps(summarise(self._conversation, self._prices, *self._models))

    def _fold(self, rows: Sequence[EventRow]) -> None:
        self._accuse(self._number)
        for row in rows:
            self._conversation.hear(row.seq, row.at, row.source, row.body)
        self._accuse(0)

    def _read(self, store: Store) -> list[EventRow]:
        with store.reading() as db:
            return events.after(db, self._number, self._conversation.last_seq, limit=READ_ROWS)
