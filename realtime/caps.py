"""The limits of a profile's calls: what may be used, how much of it is, and when that is near or over.

Pure decisions over numbers: it asks no clock and no store. Money is in millionths of the price table's currency, so
that sums are exact. Who keeps the limits is the observer's affair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, get_args

from realtime.errors import Misconfigured

Limit = Literal["duration", "idle", "spend", "spend_per_day", "turns", "tool_calls"]
LIMITS: Final[tuple[Limit, ...]] = get_args(Limit)
MONEY: Final = frozenset({"spend", "spend_per_day"})
COUNTED: Final = frozenset({"turns", "tool_calls"})
Used = Mapping[Limit, float | None]
"""How much of each limit is used; None where that can't be known."""

MILLIONTHS: Final = 1_000_000
WARNED_SECONDS: Final = 60.0
WRAP_UP: Final = 0.9
WRAP_UP_INSTRUCTIONS: Final = (
    "This call is about to end. At your next turn, tell the caller so in one sentence, finish what you were doing, "
    "and say goodbye."
)
_DAY_SECONDS, _MOST_MONEY, _MOST_COUNT = 86_400, 1_000_000, 1_000_000


@dataclass(frozen=True)
class Caps:
    """`[name.limits]`. Seconds, millionths of the currency, or numbers; None where there is no such limit. `wrap_up`:
    at this share of a limit the model is asked to wrap up, with `wrap_up_instructions`."""

    duration: float | None = None
    idle: float | None = None
    spend: int | None = None
    spend_per_day: int | None = None
    turns: int | None = None
    tool_calls: int | None = None
    wrap_up: float = WRAP_UP
    wrap_up_instructions: str = WRAP_UP_INSTRUCTIONS

    @classmethod
    def read(cls, where: str, table: object) -> Caps:
        """The table. Raises Misconfigured with one sentence that begins with `where`."""
        known = (*LIMITS, "wrap_up", "wrap_up_instructions")
        if not isinstance(table, dict) or not table.keys() <= set(known):
            raise Misconfigured(f"{where}: must be a table of {', '.join(known)}.")
        if not table.keys() & set(LIMITS):
            raise Misconfigured(f"{where}: names no limit; name one of {', '.join(LIMITS)}.")
        return cls(**{key: _READ[key](f"{where}: {key}", value) for key, value in table.items()})

    @property
    def is_about_money(self) -> bool:
        """Whether what a call costs must be known."""
        return self.spend is not None or self.spend_per_day is not None

    def given(self) -> list[tuple[Limit, float]]:
        """The limits that there are, with their caps."""
        caps = ((limit, getattr(self, limit)) for limit in LIMITS)
        return [(limit, cap) for limit, cap in caps if cap is not None]

    def reached(self, used: Used) -> Limit | None:
        """The limit that ends the call, if one does. Of turns and calls of tools so many are whole: the next one ends
        it. Money that can't be counted can't be bounded, so that an unknown amount counts as all there is."""
        return next((limit for limit, cap in self.given() if _is_over(limit, cap, used.get(limit))), None)

    def near(self, limit: Limit, amount: float | None) -> bool:
        """Whether a limit is nearly used up: by the share of `wrap_up`, and a duration of two minutes or more a minute
        ahead."""
        cap = getattr(self, limit)
        if cap is None or amount is None:
            return False
        if limit == "duration" and cap >= 2 * WARNED_SECONDS:
            return bool(amount >= cap - WARNED_SECONDS)
        return bool(amount >= self.wrap_up * cap)

    def wraps_up(self, limit: Limit, amount: float | None) -> bool:
        """Whether it is time for the model to say goodbye. Nobody is there to say it to where nobody has spoken."""
        cap = getattr(self, limit)
        if cap is None or amount is None or limit == "idle":
            return False
        return bool(amount >= self.wrap_up * cap)


def _is_over(limit: Limit, cap: float, amount: float | None) -> bool:
    if amount is None:
        return limit in MONEY
    return amount > cap if limit in COUNTED else amount >= cap


@dataclass(frozen=True)
class Tally:
    """What a call has used by its conversation. `spent`: as far as there are prices; `is_priced`: whether that is
    all."""

    turns: int = 0
    tool_calls: int = 0
    spent: int = 0
    is_priced: bool = True

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Tally:
        """From a call in numbers, as `summary.py` tells it, or an older version did. What others whisper to the model
        is no turn."""
        cost = summary.get("cost") or {}
        usd = cost.get("usd")
        amounts = (cost.get("parts") or {}).values() if usd is None else [usd]
        return cls(
            turns=summary.get("user_turns", 0) + summary.get("assistant_turns", 0),
            tool_calls=summary.get("tool_calls", 0),
            spent=int(sum(map(Decimal, amounts), Decimal(0)) * MILLIONTHS),
            is_priced=usd is not None,
        )

    def used(self) -> dict[Limit, float | None]:
        """As far as a conversation tells."""
        spent = self.spent if self.is_priced else None
        return {"turns": self.turns, "tool_calls": self.tool_calls, "spend": spent}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _seconds(where: str, value: object) -> float:
    if not _is_number(value) or not 1 <= float(value) <= _DAY_SECONDS:  # type: ignore[arg-type]
        raise Misconfigured(f"{where} must be a number of seconds, from 1 to {_DAY_SECONDS}.")
    return float(value)  # type: ignore[arg-type]


def _money(where: str, value: object) -> int:
    if not _is_number(value) or not 0 < float(value) <= _MOST_MONEY:  # type: ignore[arg-type]
        raise Misconfigured(f"{where} must be an amount of money, above 0 and at most {_MOST_MONEY}.")
    return max(1, round(Decimal(str(value)) * MILLIONTHS))


def _count(where: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_COUNT:
        raise Misconfigured(f"{where} must be a whole number, from 0 to {_MOST_COUNT}.")
    return value


def _share(where: str, value: object) -> float:
    if not _is_number(value) or not 0 < float(value) <= 1:  # type: ignore[arg-type]
        raise Misconfigured(f"{where} must be a share of the limits, above 0 and at most 1.")
    return float(value)  # type: ignore[arg-type]


def _words(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 8_192:
        raise Misconfigured(f"{where} must be a text that is not empty, of at most 8,192 characters.")
    return value


_READ: Final[dict[str, Any]] = {
    "duration": _seconds,
    "idle": _seconds,
    "spend": _money,
    "spend_per_day": _money,
    "turns": _count,
    "tool_calls": _count,
    "wrap_up": _share,
    "wrap_up_instructions": _words,
}
