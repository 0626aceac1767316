"""The numbers of a conversation, and letting go of what is only counted.

A call lasts up to an hour, and whoever wants its numbers alone must not keep all that was said. Knows what is counted
of an item and of a response, and which of them belong together; what they mean is told in `turns.py`.
"""

from __future__ import annotations

import statistics
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Self

from realtime.items import Item
from realtime.responses import OUTCOMES, Response
from realtime.state import State


class Counted:
    """Numbers of some items and responses."""

    def __init__(self) -> None:
        self._roles: Counter[str] = Counter()
        self._statuses: Counter[str | None] = Counter()
        self._interruptions = 0
        # Arrays: the collector of garbage has nothing to look at in them.
        self._response_gaps, self._perceived_gaps = array("q"), array("q")

    def add_turns(self, roles: Iterable[str] | Counter[str]) -> None:
        """So many turns, each of this role; or how many of each."""
        self._roles.update(roles)

    def add_responses(self, responses: Iterable[Response], items: dict[str, Item]) -> None:
        """`items`: theirs, by id."""
        for response in responses:
            self._statuses[response.status] += 1
            self._interruptions += is_interrupted(response, items)
            if response.gap is not None:
                self._response_gaps.append(response.gap.response_ms)
                if response.gap.perceived_ms is not None:
                    self._perceived_gaps.append(response.gap.perceived_ms)

    def plus(self, other: Counted) -> Counted:
        """Both together."""
        both = Counted()
        for one in (self, other):
            both._roles.update(one._roles)
            both._statuses.update(one._statuses)
            both._interruptions += one._interruptions
            both._response_gaps.extend(one._response_gaps)
            both._perceived_gaps.extend(one._perceived_gaps)
        return both

    def packed(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "roles": self._roles,
            "statuses": [self._statuses[outcome] for outcome in OUTCOMES],
            "interruptions": self._interruptions,
            "gaps": [list(self._response_gaps), list(self._perceived_gaps)],
        }

    @classmethod
    def unpacked(cls, packed: dict[str, Any]) -> Self:
        """What `packed` gave."""
        counted = cls()
        counted._roles.update(packed["roles"])
        counted._statuses.update(dict(zip(OUTCOMES, packed["statuses"], strict=True)))
        counted._interruptions = packed["interruptions"]
        counted._response_gaps, counted._perceived_gaps = (array("q", gaps) for gaps in packed["gaps"])
        return counted

    def as_json(self) -> dict[str, Any]:
        """As `Conversation.summary()` has them."""
        return {
            "turns": self._roles.total() - self._roles["tool"],
            "user_turns": self._roles["user"],
            "assistant_turns": self._roles["assistant"],
            "tool_calls": self._roles["tool"],
            "interruptions": self._interruptions,
            "responses": {outcome: self._statuses[outcome] for outcome in OUTCOMES},
            "response_gap_ms": _spread(self._response_gaps),
            "perceived_gap_ms": _spread(self._perceived_gaps),
        }


def is_interrupted(response: Response, items: dict[str, Item]) -> bool:
    """Whether the caller spoke while it was audible, and that cut it off."""
    truncated = any(items[item_id].audio_end_ms is not None for item_id in response.items)
    return response.is_interrupted(truncated)


def let_go(state: State, counted: Counted, keep: int) -> None:
    """Count the oldest items, and their responses, and forget them, down to so many that are kept. Those of a response
    go together. None goes before an older one whose response is not done: that may be said in a gap of the log, so that
    it is waited for only for a while."""
    waits = len(state.items) <= 4 * keep
    window = set(islice(state.items, len(state.items) - keep, None))
    gone: set[str] = set()
    for item_id, item in state.items.items():
        response = state.response_of(item)
        together = response.items if response else [item_id]
        if not window.isdisjoint(together) or (
            response is not None and waits and not _is_over(response, state)
        ):
            break
        gone.update(together)
    for response_id in _with_their_items(state, gone, keep):
        _count_response(state, counted, response_id)
    for item_id in gone:
        _forget_item(state, item_id)
    state.order = state.order.without(gone)


def _with_their_items(state: State, gone: set[str], keep: int) -> list[str]:
    """The responses of these items, and old ones that left none."""
    older = set(islice(state.responses, max(0, len(state.responses) - keep)))
    return [
        response_id
        for response_id, response in state.responses.items()
        if (gone.issuperset(response.items) if response.items else response_id in older and response.done)
    ]


def _is_over(response: Response, state: State) -> bool:
    return response.done and response is not state.audible


def _count_response(state: State, counted: Counted, response_id: str) -> None:
    response = state.responses.pop(response_id)
    counted.add_responses([response], state.items)
    if state.audible is response:
        state.audible = None
    state.gone_responses[response_id] = None


def _forget_item(state: State, item_id: str) -> None:
    item = state.items.pop(item_id)
    state.gone[item_id] = item.role if item.is_shown and item_id in state.order else ""
    if state.gone[item_id]:
        state.gone_turns[item.role] += 1
    if item.tool is not None:
        state.forget_call(item.tool.call_id)


def _spread(gaps: Sequence[int]) -> dict[str, int] | None:
    if not gaps:
        return None
    return {"p50": round(statistics.median(gaps)), "worst": max(gaps), "count": len(gaps)}
