"""Reads what claims to be a JSON object and may be anything, and says what is wrong with it. What it gives is always
plain JSON again: no NaN, no half of a surrogate pair, no number that a reader chokes on. It knows no event."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Any, Final, NamedTuple

DEPTH_LIMIT: Final = 100  # levels; common readers stop between 100 and 1,000
DIGITS_LIMIT: Final = 20  # of a whole number: 64 bits
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

NOT_UTF8: Final = "not_utf8"
NOT_JSON: Final = "not_json"
NOT_AN_OBJECT: Final = "not_an_object"
TOO_DEEP: Final = "too_deep"
DUPLICATE_KEYS: Final = "duplicate_keys"
NOT_FINITE: Final = "not_finite"
HUGE_NUMBER: Final = "huge_number"
LONE_SURROGATE: Final = "lone_surrogate"


class Reading(NamedTuple):
    """`value`: None where there is no object to show. `fault`: the first thing that was wrong, None for plain JSON."""

    value: dict[str, Any] | None
    fault: str | None


def read(raw: bytes) -> Reading:
    """The object as far as it can be shown to anybody. Never raises.

    Of a key that stands twice the last one counts; a number that is not finite or has more than 20 digits reads as
    null, half a surrogate pair as U+FFFD, and what lies deeper than 100 levels as null.
    """
    value, faults = _load(raw)
    if value is not None and _may_need_mending(raw):
        value = _mended(value, faults, 1)
    return Reading(value, faults[0] if faults else None)


def load(raw: bytes) -> dict[str, Any] | None:
    """The same for whoever puts pieces together: half a pair stays, since the next event may bring the other half."""
    return _load(raw)[0]


def _load(raw: bytes) -> tuple[dict[str, Any] | None, list[str]]:
    faults: list[str] = []
    try:
        value = _loads(raw.decode(), faults)
    except UnicodeDecodeError:
        return None, [NOT_UTF8]
    except RecursionError:
        return None, [TOO_DEEP]
    except ValueError:
        return None, [NOT_JSON]
    return (value, faults) if isinstance(value, dict) else (None, [NOT_AN_OBJECT])


def _loads(text: str, faults: list[str]) -> Any:
    return json.loads(
        text,
        object_pairs_hook=partial(_object, faults),
        parse_constant=partial(_not_finite, faults),
        parse_float=partial(_float, faults),
        parse_int=partial(_int, faults),
    )


def _object(faults: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        faults.append(DUPLICATE_KEYS)
    return found


def _not_finite(faults: list[str], text: str) -> None:
    faults.append(NOT_FINITE)


def _float(faults: list[str], text: str) -> float | None:
    value = float(text)
    if math.isfinite(value):
        return value
    faults.append(NOT_FINITE)
    return None


def _int(faults: list[str], text: str) -> int | None:
    if len(text) <= DIGITS_LIMIT:
        return int(text)
    faults.append(HUGE_NUMBER)
    return None


def _may_need_mending(raw: bytes) -> bool:
    # A string that holds half a pair says so with an escape, for UTF-8 can't.
    return raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT or b"\\ud" in raw or b"\\uD" in raw


def _mended(value: Any, faults: list[str], depth: int) -> Any:
    if isinstance(value, str):
        return _whole(value, faults)
    if not isinstance(value, dict | list):
        return value
    if depth > DEPTH_LIMIT:
        faults.append(TOO_DEEP)
        return None
    if isinstance(value, list):
        return [_mended(each, faults, depth + 1) for each in value]
    return {_whole(key, faults): _mended(each, faults, depth + 1) for key, each in value.items()}


def _whole(text: str, faults: list[str]) -> str:
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    faults.append(LONE_SURROGATE)
    return "".join(REPLACEMENT if "\ud800" <= letter <= "\udfff" else letter for letter in text)
