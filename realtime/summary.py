"""A call's conversation in numbers, its estimated cost among them. What each number means stands in turns.py."""

from __future__ import annotations

from typing import Any

from realtime.prices import Prices
from realtime.turns import Conversation


def summarise(
    conversation: Conversation, prices: Prices, model: str | None, transcription_model: str | None
) -> dict[str, Any]:
    """`Conversation.summary()` with `events` (lines of the log) and `cost` (`Cost.as_json()`)."""
    said = conversation.summary()
    cost = prices.cost(said["usage"], model, transcription_model)
    return said | {"events": conversation.last_seq, "cost": cost.as_json()}
