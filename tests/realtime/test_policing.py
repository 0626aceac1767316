"""What a profile says of the watch and of guardrails: read, refused with one sentence, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.errors import Misconfigured
from realtime.guardrails import Guardrail
from realtime.profiles import Profile, Profiles

PLAIN = '[default]\nmodel = "gpt-realtime"\ntranscription = false\n'


def default(tmp_path: Path, more: str) -> Profile:
    file = tmp_path / "profiles.toml"
    file.write_text(PLAIN + more)
    found = Profiles.load(file).get("default")
    assert found is not None
    return found


def test_a_profile_that_says_nothing_is_not_watched(tmp_path: Path) -> None:
    profile = default(tmp_path, "")
    assert profile.watch is None
    assert profile.guardrails == () and not profile.needs_connect


def test_a_profile_says_what_its_page_may_do_and_what_is_done_otherwise(tmp_path: Path) -> None:
    profile = default(tmp_path, '[default.watch]\npolicy = "hang_up"\npage_may = []\n')
    assert profile.watch is not None
    assert (profile.watch.policy, profile.watch.page_may) == ("hang_up", frozenset())
    assert profile.needs_connect, "nobody watches a direct call"


def test_a_watch_that_says_nothing_more_lets_the_page_do_what_the_talk_page_does(tmp_path: Path) -> None:
    profile = default(tmp_path, "[default.watch]\n")
    assert profile.watch is not None and not profile.needs_connect
    assert profile.watch.policy == "note" and profile.watch.page_may == {"type", "push_to_talk"}


def test_a_guardrail_looks_at_both_sides_and_only_says_what_it_would_do(tmp_path: Path) -> None:
    (rule,) = default(
        tmp_path, '[default.guardrails.cards]\npatterns = ["[0-9]{13}"]\naction = "hang_up"\n'
    ).guardrails
    assert rule == Guardrail("cards", ("[0-9]{13}",), None, "both", "hang_up", True)
    assert not rule.enforces and rule.concerns("caller") and rule.concerns("model")


def test_a_guardrail_that_acts_needs_calls_that_go_through_us(tmp_path: Path) -> None:
    live = 'patterns = ["x"]\naction = "interrupt"\nshadow = false\nside = "model"\n'
    profile = default(tmp_path, "[default.guardrails.x]\n" + live)
    assert profile.needs_connect and not profile.guardrails[0].concerns("caller")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('[default.watch]\npolicy = "shout"\n', "[default.watch]: policy must be 'note'"),
        ('[default.watch]\npage_may = ["dance"]\n', "[default.watch]: page_may must be a list of 'type'"),
        ('[default.watch]\npage_may = "type"\n', "[default.watch]: page_may must be a list"),
        ("[default.watch]\nevery = 1\n", "[default.watch]: must be a table with policy and page_may"),
        ("[default]\nguardrails = 1\n", "guardrails]: must hold a table for each rule"),
        ("[default.guardrails]\nx = 1\n", "[default.guardrails.x]: must be a table"),
        ("[default.guardrails.x]\n", "[default.guardrails.x]: patterns is empty"),
        ('[default.guardrails.x]\npatterns = ["("]\n', "is no regular expression"),
        ('[default.guardrails.x]\nfunction = "nowhere"\n', 'must be named as "package.module:function"'),
        ('[default.guardrails.x]\nfunction = "no_such_module:f"\n', "can't be imported"),
        ('[default.guardrails.x]\npatterns = ["x"]\nside = "left"\n', "side must be 'caller'"),
        ('[default.guardrails.x]\npatterns = ["x"]\naction = "cry"\n', "action must be 'note'"),
        ('[default.guardrails.x]\npatterns = ["x"]\nshadow = 1\n', "shadow must be true or false"),
        ('[default.guardrails."a b"]\npatterns = ["x"]\n', "a rule's name may have"),
    ],
)
def test_what_makes_no_sense_is_refused_with_one_sentence(tmp_path: Path, more: str, sentence: str) -> None:
    more = more.removeprefix("[default]\n")
    with pytest.raises(Misconfigured) as refused:
        default(tmp_path, more)
    assert sentence in str(refused.value) and str(refused.value).startswith(f"{tmp_path}/profiles.toml: [")


def test_nobody_is_promised_a_watch_on_calls_that_no_observer_sees(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"watch needs an observer, and recording = 'off' has none"):
        default(tmp_path, 'recording = "off"\n[default.watch]\npolicy = "note"\n')


def test_a_function_is_asked_where_no_pattern_was_found_and_its_reason_holds_no_sentence() -> None:
    here = "tests.observer.operators_rules"
    rule = Guardrail("x", ("secret",), f"{here}:reasoned")
    judge = rule.compiled()
    assert judge("a secret", {}) == "pattern"
    assert judge("nothing", {"side": "model"}) is None
    assert judge("rude", {"side": "model"}) == "rude_model"
    assert judge("quoting", {"side": "model"}) == "function"
    with pytest.raises(TypeError, match="not bool or str"):
        judge("number", {"side": "model"})
