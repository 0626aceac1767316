"""What the command line makes of words that strangers have said."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard import gist
from switchboard.plain import harmless, harmless_lines, pairs, table


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = harmless(text)
    kinds = {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"}
    assert all(kind[0] in "LMNPSZ" and kind not in ("Zl", "Zp") for kind in kinds)
    assert len(shown.splitlines()) <= 1
    assert harmless(shown) == shown
    shown.encode()


@pytest.mark.parametrize("text", ["Grüß Gott, naïve café", "你好", "می‌خواهم", "👩‍👩‍👧", "= 1 + 1"])
def test_words_stay_words(text: str) -> None:
    assert harmless(text) == text


def test_lines_stay_lines() -> None:
    assert harmless_lines("one\n\x1b[2Jtwo\r\n") == "one\n\\x1b[2Jtwo\\r\n"


def test_a_table_holds_its_columns_against_what_stands_in_them() -> None:
    assert table(("A", "B"), [["x\n", "1"], ["long", "2"]]) == ["A     B", "x\\n   1", "long  2"]
    assert pairs([("state", "ended"), ("end", ""), ("caller", None), ("n", 0)]) == [
        "state  ended",
        "n      0",
    ]


def event(source: str, **said: Any) -> dict[str, Any]:
    at = "2026-11-26T00:00:04.210Z"
    return {"seq": 1, "at": at, "source": source, "type": said["type"], "event": said}


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (event("upstream", type="error", error={"code": "c", "message": "m"}), "< error  c: m"),
        (event("operator", type="response.create", response={"instructions": "Say: hi"}), "> response.create  Say: hi"),
        (event("operator", type="session.update", session={"instructions": "Hi."}), "> session.update  “Hi.”"),
        (event("upstream", type="response.done", response={"status": "completed"}), "< response.done  completed"),
        (event("observer", type="observer.gap", cause="socket", n=1.5), "* observer.gap  cause=socket"),
        (event("browser", type="browser.stats", rtt_ms=3), "o browser.stats"),
        (event("upstream", type="x", transcript="a" * 200), "< x  “" + "a" * 159 + "…"),
        (event("upstream", type="x", item={"content": ["odd", {"text": 5}, {"text": "\x07"}]}), "< x  “\\x07”"),
        (event("upstream", type="x") | {"event": None}, "< x"),
    ],
)  # fmt: skip
def test_an_event_is_one_line(shown: dict[str, Any], line: str) -> None:
    assert gist.line(shown, "2026-11-26T00:00:00.000Z") == f"   +4.210 s  {line}"
