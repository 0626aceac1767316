"""Frames that no upstream should send: two hundred of them, some by hand, the others from recordings and a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

from tests.player import Binary, recorded

SIZE = 200
DEEP = 100_000

BY_HAND: list[bytes] = [
    b"",
    b" ",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    '{"type": "utf-16"}'.encode("utf-16"),
    '{"type": "utf-32"}'.encode("utf-32"),
    b'{"type": "latin \xe9"}',
    b'{"type": "overlong \xc0\xaf"}',
    b'{"type": "surrogate \xed\xa0\x80"}',
    Binary(b"\x00\x01\x02\xff"),
    Binary(b'{"type": "binary", "event_id": "event_of_a_binary_frame"}'),
    b"not json",
    b"{",
    b'{"type": "cut off',
    b'{"type": "x"} {"type": "y"}',
    b"{'type': 'x'}",
    b'{"type": "line\nend"}',
    b'{"type": "x",}',
    b"[1, 2]",
    b'"text"',
    b"null",
    b"true",
    b"7",
    b"{}",
    b'{"type": 7}',
    b'{"type": ""}',
    b'{"type": null, "event_id": {}}',
    b'{"type": ["x"], "event_id": "odd_type"}',
    b'{"event_id": "no_type"}',
    b'{"type": "x", "event_id": 7}',
    b'{"type": "x", "event_id": ""}',
    b'{"type": "x", "event_id": "' + b"e" * 5000 + b'"}',
    b'{"type": "' + b"t" * 5000 + b'"}',
    b'{"type": "a\\u0000b", "event_id": "\\u0000"}',
    b'{"type": "nul", "x": "\\u0000", "\\u0000": 1}',
    b'{"type": "\\ud800", "event_id": "\\udfff"}',
    b'{"type": "half", "x": "\\ud800", "\\udc00": 1, "whole": "\\ud83d\\ude00"}',
    b'{"type": "half", "x": "\\uDBFF\\uD800"}',
    b'{"type": "x\\r\\n\\u001b]0;level=fatal", "event_id": "\\u2028"}',
    b'{"type": "nan", "n": NaN}',
    b'{"type": "infinity", "n": [Infinity, -Infinity]}',
    b'{"type": "too much", "m": 1e999, "n": -1e999}',
    b'{"type": "huge", "i": ' + b"9" * 5000 + b"}",
    b'{"type": "huge", "i": -' + b"9" * 4300 + b"}",
    b'{"type": "big", "i": 18446744073709551616, "f": 1e308}',
    b'{"type": "digits", "f": 0.' + b"1" * 5000 + b"}",
    b'{"type": "deep", "x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"type": "deep", "x": ' + b'{"x":' * 500 + b"1" + b"}" * 500 + b"}",
    b'{"type": "deep", "x": ' + b"[" * 99 + b"]" * 99 + b"}",
    b'{"type": "deep", "x": ' + b"[" * 100 + b"]" * 100 + b"}",
    b'{"type": "broken deep", "x": ' + b'{"x":[' * DEEP,
    b'{"type": "twice", "type": "again"}',
    b'{"type": "twice", "event_id": "first", "event_id": "second", "x": {"y": 1, "y": 2}}',
    b'{"type": "response.done", "response": 7}',
    b'{"type": "response.done", "event_id": "u1", "response": {"id": "r", "usage": {"total_tokens": 1e999}}}',
    b'{"type": "response.done", "event_id": "u2", "response": {"id": "r", "usage": {"total_tokens": '
    + b"9" * 4000
    + b"}}}",
    b'{"type": "conversation.item.added", "item": []}',
    b'{"type": "error", "event_id": "x", "error": {"type": ["server_error"], "code": {}}}',
    b'{"type": "wide", "x": "' + b"x" * 3_000_000 + b'"}',
]

VALUES = [
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 5000,
    '"\\ud800 half"',
    '"\\u0000"',
    '"=HYPERLINK(\\"x\\")"',
    "[" * 150 + "]" * 150,
    '{"a": 1, "a": {"id": null}}',
    "[]",
    "{}",
    "null",
    "-1",
    '""',
    "true",
]


def corpus(seed: int) -> list[bytes]:
    """The hand-written ones, and as many more as are missing; no two of them are equal."""
    frames = dict.fromkeys(BY_HAND)
    for frame in _made(random.Random(seed)):
        frames.setdefault(frame)
        if len(frames) == SIZE:
            return list(frames)
    raise AssertionError("there is no end of them")


def _made(chance: random.Random) -> Iterator[bytes]:
    good = [
        json.dumps(frame["event"]).encode()
        for name in ("azure_voice_turn", "azure_tool_call_round", "openai_sideband_text_turn")
        for frame in recorded(name)["frames"]
        if frame["direction"] == "received"
    ]
    spoils: list[Callable[[random.Random, bytes], bytes]] = [
        _cut,
        _flip,
        _replace,
        _replace,
        _replace,
        _twice,
    ]
    while True:
        yield chance.choice(spoils)(chance, chance.choice(good))


def _cut(chance: random.Random, raw: bytes) -> bytes:
    return raw[: chance.randrange(len(raw))]


def _flip(chance: random.Random, raw: bytes) -> bytes:
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]


def _replace(chance: random.Random, raw: bytes) -> bytes:
    """One value of the event becomes something else."""
    event = json.loads(raw)
    inside = event
    while inner := [value for value in _values(inside) if isinstance(value, dict | list) and value]:
        if chance.random() < 0.3:
            break
        inside = chance.choice(inner)
    key = chance.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
    inside[key] = "(here)"
    return json.dumps(event).replace('"(here)"', chance.choice(VALUES)).encode()


def _values(inside: object) -> list[object]:
    return (
        list(inside.values())
        if isinstance(inside, dict)
        else list(inside)
        if isinstance(inside, list)
        else []
    )


def _twice(chance: random.Random, raw: bytes) -> bytes:
    """One key stands twice."""
    key = chance.choice(list(json.loads(raw)))
    return b"{" + json.dumps(key).encode() + b": " + chance.choice(VALUES).encode() + b", " + raw[1:]
