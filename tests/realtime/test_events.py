"""Events are read whatever they hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from realtime import events
from realtime.events import Header, header, read

NOTHING = Header("unreadable", None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["type", "event_id"]), inner),
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"type":"error","event_id":"event_1","error":{}}', Header("error", "event_1")),
        (b'{"event_id":null,"type":"error"}', Header("error", None)),
        (b'{"type":"error","event_id":7}', Header("error", None)),
        (b'{"type":"x","event_id":"a\\nb"}', Header("x", None)),
        (b'{"type":"x","delta":"\\ud83d"}', Header("x", None)),
        (b'{"type":"x","n":NaN}', Header("x", None)),
        (b'{"type":"x","n":' + b"9" * 400 + b"}", Header("x", None)),
        (b'{"type":"' + b"t" * 128 + b'"}', Header("t" * 128, None)),
        (b'{"type":"' + b"t" * 129 + b'"}', Header("t" * 128, None)),
        (b'{"type":"x","event_id":"' + b"e" * 600 + b'"}', Header("x", "e" * 512)),
        (b"", NOTHING),
        (b"\x00\xff", NOTHING),
        (b"[]", NOTHING),
        (b"7", NOTHING),
        (b"null", NOTHING),
        (b'{"type":7}', NOTHING),
        (b'{"type":""}', NOTHING),
        (b'{"type":null}', NOTHING),
        (b'{"type":"a\\u0000b"}', NOTHING),
        (b'{"type":"\\ud83d"}', NOTHING),
        (b'{"type":"x"', NOTHING),
        (b"[" * 200_000, NOTHING),
        (b'{"type":{"type":"x"}}', NOTHING),
    ],
)
def test_a_header_is_read_from_anything(raw: bytes, expected: Header) -> None:
    assert header(raw) == expected


def test_a_deep_event_does_not_fell_the_reader() -> None:
    deep = b'{"type":"x","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert header(deep) in (Header("x", None), NOTHING)
    assert read(deep) is None


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_reading_never_raises(raw: bytes) -> None:
    assert isinstance(header(raw), Header)
    event = read(raw)
    assert event is None or isinstance(event, dict)


def test_what_is_almost_json_is_read_all_the_same() -> None:
    assert read(b'{"delta":"\\ud83d"}') == {"delta": "\ud83d"}
    assert read(b"[]") is None
    assert read(b'{"a":1}') == {"a": 1}


def test_each_event_that_we_know_is_one_of_the_official_packages() -> None:
    ours = {value for name, value in vars(events).items() if name.isupper() and isinstance(value, str)}
    theirs = json.dumps(TypeAdapter(RealtimeServerEvent).json_schema())
    assert {name for name in ours - {events.UNREADABLE} if f'"{name}"' not in theirs} == set()


def test_the_filter_lets_eleven_types_through() -> None:
    assert len(events.WEBRTC_FILTER_ALLOWED) == 11
    assert "error" not in events.WEBRTC_FILTER_ALLOWED
