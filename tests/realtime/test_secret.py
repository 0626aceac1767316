"""A secret shows itself to nobody who does not ask for it by name."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from realtime.secret import Secret

VALUE = "ek_canary_7c1f"


def test_it_shows_nothing_however_it_is_printed() -> None:
    secret = Secret(VALUE)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        f"{secret!r}",
        str.format("{}", secret),
        repr([secret]),
    ]
    assert not [text for text in shown if "canary" in text]
    assert secret.reveal() == VALUE


def test_it_can_neither_be_pickled_nor_copied_nor_written_as_json() -> None:
    for write in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as refused:
            write(Secret(VALUE))
        assert "canary" not in str(refused.value)


def test_it_equals_by_its_value_and_is_not_hashable() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert Secret("ü\ud800") == Secret("ü\ud800")
    with pytest.raises(TypeError):
        hash(Secret(VALUE))
