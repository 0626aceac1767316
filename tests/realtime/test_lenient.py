"""Whatever claims to be a JSON object is read, and what is read is plain JSON again."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.lenient import DEPTH_LIMIT, DIGITS_LIMIT, load, read

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=[])), inner),
)


@given(st.dictionaries(st.text(), ANYTHING))
def test_what_is_shown_is_plain_json_and_equal_where_nothing_is_wrong(event: dict[str, object]) -> None:
    raw = json.dumps(event).encode()
    value, fault = read(raw)
    assert msgspec.json.decode(json.dumps(value, allow_nan=False)) == value
    assert fault is not None or value == event


@given(st.binary())
def test_reading_never_raises(raw: bytes) -> None:
    value, fault = read(raw)
    assert value is not None or fault is not None


@pytest.mark.parametrize(("levels", "fault"), [(99, None), (100, None), (101, "too_deep")])
def test_depth_at_its_limit(levels: int, fault: str | None) -> None:
    assert DEPTH_LIMIT == 100
    raw = b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"
    assert read(raw).fault == fault


def test_brackets_in_a_text_are_no_depth() -> None:
    assert read(b'{"x": "' + b"[" * 500 + b'"}').fault is None


@pytest.mark.parametrize(("digits", "fault"), [(19, None), (20, None), (21, "huge_number")])
def test_digits_at_their_limit(digits: int, fault: str | None) -> None:
    assert DIGITS_LIMIT == 20
    assert read(b'{"x":' + b"9" * digits + b"}").fault == fault


def test_half_a_pair_stays_for_whoever_waits_for_the_other() -> None:
    raw = b'{"delta":"\\ud83d"}'
    assert load(raw) == {"delta": "\ud83d"}
    assert read(raw) == ({"delta": "\ufffd"}, "lone_surrogate")
