"""What whoever goes on with a conversation must know of what came before, when only its numbers are wanted.

A call changes hands now and then, and its next holder must not hear again all that was said in an hour. Knows when a
conversation can be cut, and what is told of its state then: sums, clocks, and the ids of what was said last, by which
what is still told of it is not taken for something new. No word of it.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import Any, Final

from realtime.gaps import GapClock
from realtime.responses import Response
from realtime.state import State
from realtime.usage import Usage

REMEMBERED: Final = 24
"""So many of the last items, and responses, are known again by their ids."""


def is_settled(state: State) -> bool:
    """Whether all that was begun is over: no response is being made or heard, and the last item has its place."""
    last = next(reversed(state.items), None)
    is_placed = last is None or last in state.order or state.items[last].deleted
    return is_placed and all(_is_over(response, state) for response in state.responses.values())


def _is_over(response: Response, state: State) -> bool:
    """A short answer is made before it is heard."""
    if not response.done or response is state.audible:
        return False
    sounds = any(state.items[item_id].modality == "audio" for item_id in response.items)
    return not sounds or response.audio_ended_at is not None or response.is_silenced


def packed(state: State) -> dict[str, Any]:
    """The state as JSON, but for what is counted."""
    roles = state.gone | {
        item_id: item.role if item.is_shown and item_id in state.order else ""
        for item_id, item in state.items.items()
    }
    responses = list(chain(state.gone_responses, state.responses))
    return {
        "usage": state.usage.packed(),
        "gaps": state.gaps.packed(),
        "errors": state.errors,
        "model": state.model,
        "transcribes": state.transcribes,
        "items": dict(islice(roles.items(), max(0, len(roles) - REMEMBERED), None)),
        "responses": responses[-REMEMBERED:],
    }


def unpack_into(state: State, packed: dict[str, Any]) -> None:
    """Make an empty state go on from what `packed` gave."""
    state.usage, state.gaps = Usage.unpacked(packed["usage"]), GapClock.unpacked(packed["gaps"])
    state.errors, state.model, state.transcribes = packed["errors"], packed["model"], packed["transcribes"]
    state.gone = dict(packed["items"])
    state.gone_responses = dict.fromkeys(packed["responses"])
