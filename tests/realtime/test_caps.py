"""The limits of a profile: at limit − 1, limit, limit + 1; what is refused; what is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realtime.caps import LIMITS, Caps, Limit, Tally
from realtime.errors import Misconfigured
from realtime.prices import Prices
from realtime.profiles import Profiles
from realtime.summary import summarise
from realtime.turns import Conversation
from tests.realtime.test_profiles import GOOD, load

DOLLAR = 1_000_000


def caps(**table: Any) -> Caps:
    return Caps.read("p: [default.limits]", table)


@pytest.mark.parametrize(
    ("limit", "cap", "step", "over_at"),
    [
        ("duration", 600, 1, 600),
        ("idle", 30, 1, 30),
        ("spend", 0.5, 1, DOLLAR // 2),
        ("spend_per_day", 2, 1, 2 * DOLLAR),
        ("turns", 20, 1, 21),  # twenty are whole: the next one is too many
        ("tool_calls", 0, 1, 1),
    ],
)
def test_a_limit_ends_the_call_when_it_is_used_up_and_not_one_before(
    limit: Limit, cap: float, step: int, over_at: int
) -> None:
    given = caps(**{limit: cap})
    assert given.reached({limit: over_at - step}) is None
    assert given.reached({limit: over_at}) == limit
    assert given.reached({limit: over_at + step}) == limit


def test_an_unknown_amount_of_money_counts_as_all_of_it_and_other_unknowns_as_nothing() -> None:
    given = caps(duration=60, idle=60, spend=1, turns=1, tool_calls=1)
    assert given.reached({}) == "spend"
    assert caps(duration=60, idle=60, turns=1, tool_calls=1).reached({}) is None
    assert caps(spend_per_day=1).reached({"spend": None, "spend_per_day": 0}) is None


@pytest.mark.parametrize(
    ("cap", "before", "at"),
    [(119, 107.0, 107.2), (120, 59.9, 60.0), (121, 60.9, 61.0), (3600, 3539.9, 3540.0)],
)
def test_a_duration_is_near_a_minute_ahead_or_at_the_share_when_it_is_short(
    cap: int, before: float, at: float
) -> None:
    assert not caps(duration=cap).near("duration", before)
    assert caps(duration=cap).near("duration", at)


def test_the_model_wraps_up_at_its_share_of_each_limit_but_not_of_silence() -> None:
    given = caps(duration=100, idle=10, spend=1, turns=10, tool_calls=10, wrap_up=0.8)
    for limit, share in (("duration", 80), ("spend", 800_000), ("turns", 8), ("tool_calls", 8)):
        named: Limit = limit  # type: ignore[assignment]
        assert not given.wraps_up(named, share - 1)
        assert given.wraps_up(named, share) and given.wraps_up(named, share + 1)
        assert not given.wraps_up(named, None)
    assert not given.wraps_up("idle", 10) and given.near("idle", 8)
    assert not given.wraps_up("spend_per_day", 10 * DOLLAR)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("limits = 3", r"\[default.limits\]: must be a table"),
        ("limits = {}", "names no limit"),
        ("limits = {wrap_up = 0.5}", "names no limit"),
        ("limits = {durations = 60}", "must be a table of duration, idle"),
        ("limits = {duration = 0}", "duration must be a number of seconds"),
        ("limits = {duration = true}", "duration must be a number of seconds"),
        ("limits = {idle = 86401}", "idle must be a number of seconds"),
        ("limits = {idle = nan}", "idle must be a number of seconds"),
        ("limits = {spend = 0}", "spend must be an amount of money"),
        ("limits = {spend_per_day = '5'}", "spend_per_day must be an amount of money"),
        ("limits = {turns = 1.5}", "turns must be a whole number"),
        ("limits = {tool_calls = -1}", "tool_calls must be a whole number"),
        ("limits = {turns = 1, wrap_up = 1.1}", "wrap_up must be a share"),
        ("limits = {turns = 1, wrap_up_instructions = ' '}", "wrap_up_instructions must be a text"),
        ("recording = 'off'\nlimits = {turns = 1}", "limits can't be kept where recording is 'off'"),
    ],
)
def test_what_is_no_limit_is_refused_in_one_sentence(tmp_path: Path, table: str, sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        load(tmp_path, f"{GOOD}{table}\n")


def test_a_limit_of_spend_wants_prices_of_all_that_is_paid_for(tmp_path: Path) -> None:
    prices = Prices.load()
    for model, words, limit, unpriced in (
        ("gpt-realtime", "gpt-4o-transcribe", "spend = 1", None),
        ("gpt-realtime", "my-words", "turns = 1", None),
        ("my-model", "gpt-4o-transcribe", "spend = 1", "my-model"),
        ("gpt-realtime", "my-words", "spend_per_day = 1", "my-words"),
    ):
        text = f'[default]\nmodel = "{model}"\ntranscription = "{words}"\nlimits = {{{limit}}}\n'
        profiles: Profiles = load(tmp_path, text)
        if unpriced is None:
            profiles.require_prices(prices)
            continue
        with pytest.raises(Misconfigured, match=f"profile default: .*{unpriced} has no price"):
            profiles.require_prices(prices)


def test_money_is_exact_to_a_millionth() -> None:
    assert (caps(spend=0.1).spend, caps(spend=0.0000001).spend, caps(spend=3).spend) == (
        100_000,
        1,
        3_000_000,
    )


def summary(usd: str | None, parts: dict[str, str]) -> dict[str, Any]:
    of_nothing = summarise(Conversation(), Prices.load(), "gpt-realtime", None)
    cost = of_nothing["cost"] | {"usd": usd, "parts": parts}
    return of_nothing | {"user_turns": 2, "assistant_turns": 3, "turns": 6, "tool_calls": 4, "cost": cost}


def test_a_call_in_numbers_is_what_it_used() -> None:
    tally = Tally.of(summary("0.012345", {"audio_in": "0.010000"}))
    assert tally.used() == {"turns": 5, "tool_calls": 4, "spend": 12_345}
    unknown = Tally.of(summary(None, {"text_in": "0.000001", "text_out": "0.000002"}))
    assert unknown.used()["spend"] is None and unknown.spent == 3


def test_every_limit_has_its_place() -> None:
    whole = caps(duration=1, idle=1, spend=1, spend_per_day=1, turns=1, tool_calls=1)
    assert [limit for limit, _ in whole.given()] == list(LIMITS)
