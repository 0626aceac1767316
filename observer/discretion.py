"""What is kept of a call's lines, and in which order: the one way from what was heard to the log.

Most calls keep everything, as it came. A profile may want no content at all, or every text redacted; redacting takes
time, and the lines behind wait for it. It fails closed: whatever can't be redacted is kept as structure alone, with a
tag that says why. Knows no store and no socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from observer.operator_processes import Outcome
from observer.redaction import Rule
from realtime.content import UPSTREAM, LineSource, encoded, is_piece, unreadable, without_content
from realtime.events import UNREADABLE, header
from realtime.events import read as read_event

FAILED = "observer.redaction_failed"
INLINE_MAX_BYTES = 16 * 1024
"""An event so small is looked at here before it is sent to be redacted: most hold no content."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log before it has a number. `at`: when it was heard, UTC milliseconds. `heard`: an event that
    something is done about once it is on disk, as it came; whatever is kept of it."""

    source: LineSource
    type: str
    event_id: str | None
    body: bytes
    at: int
    message_id: int | None = None
    heard: dict[str, Any] | None = None


class Discretion:
    """Of one call. `append` takes what is kept, in the order in which it was heard."""

    def __init__(self, rule: Rule, append: Callable[[Entry], None]) -> None:
        self._rule, self._append = rule, append
        self._waiting: deque[tuple[Entry, asyncio.Future[Outcome]] | Entry | asyncio.Future[None]] = deque()
        self._failing: str | None = None

    @property
    def keeps_everything(self) -> bool:
        """Whether the log holds each event exactly as it came."""
        return self._rule.keeps_everything

    def take(self, entry: Entry) -> None:
        """One line; it is appended now, or as soon as it is redacted and those before it are appended."""
        if self._rule.keeps_everything:
            self._append(entry)
            return
        if self._rule.redactor is not None and len(entry.body) > INLINE_MAX_BYTES:
            self._wait_for(entry, self._outcome(entry))
            return
        kept, nothing_lost = _structure(entry)
        if nothing_lost or is_piece(entry.type) or self._rule.drops_content:
            self._put(kept)
        else:
            self._wait_for(entry, self._outcome(entry))

    async def settled(self) -> None:
        """Wait until everything that was taken so far is appended."""
        if self._waiting:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled

    def _outcome(self, entry: Entry) -> asyncio.Future[Outcome]:
        if self._rule.redactor is not None and entry.type != UNREADABLE:
            return self._rule.redactor.submit(entry.source, entry.body)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outcome.set_result(Outcome(cause=self._rule.cause or UNREADABLE))
        return outcome

    def _wait_for(self, entry: Entry, outcome: asyncio.Future[Outcome]) -> None:
        self._waiting.append((entry, outcome))
        outcome.add_done_callback(lambda _: self._drain())

    def _put(self, entry: Entry) -> None:
        if self._waiting:
            self._waiting.append(entry)
        else:
            self._append(entry)

    def _drain(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, Entry):
                self._append(first)
            elif isinstance(first, asyncio.Future):
                if not first.done():  # whoever waited may have been cancelled
                    first.set_result(None)
            elif first[1].done():
                self._keep(first[0], first[1].result())
            else:
                return
            self._waiting.popleft()

    def _keep(self, entry: Entry, outcome: Outcome) -> None:
        if outcome.body is not None:
            self._failing = None
            self._append(_named(replace(entry, body=outcome.body)))
            return
        if self._failing != outcome.cause:
            self._failing = outcome.cause
            said = {"type": FAILED, "cause": outcome.cause, "error": outcome.error}
            self._append(Entry("observer", FAILED, None, encoded(said), entry.at))
        self._append(_structure(entry, withheld=outcome.cause)[0])


def _structure(entry: Entry, withheld: str | None = None) -> tuple[Entry, bool]:
    """The line with its structure alone, and whether that is all there was. `withheld`: why the rest is missing."""
    event = read_event(entry.body)
    kept = {} if event is None else without_content(event, entry.source)
    nothing_lost = kept == event
    if "type" not in kept:
        kept = unreadable(len(entry.body))
    if withheld is not None:
        kept["withheld"] = withheld
    return _named(replace(entry, body=encoded(kept))), nothing_lost


def _named(entry: Entry) -> Entry:
    """With the type and the id that its body still has: those of an upstream are its own to choose."""
    if entry.source != UPSTREAM:
        return entry
    said = header(entry.body)
    return replace(entry, type=said.type, event_id=said.event_id)
