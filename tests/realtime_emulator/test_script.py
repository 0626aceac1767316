"""What callers are said to have said, and what is answered."""

from typing import Any

import pytest

from realtime_emulator.refusals import Mistake
from realtime_emulator.script import UNPROMPTED, UNSCRIPTED, UNSCRIPTED_TEXT, Script


def written(*bodies: dict[str, Any]) -> Script:
    script = Script()
    for body in bodies:
        script.write(body)
    return script


def test_each_call_reads_the_script_from_its_first_line() -> None:
    script = written({"heard": ["one", "two"]})
    assert [script.next_heard("a", 1.0), script.next_heard("b", 1.0), script.next_heard("a", 1.0)] == [
        "one",
        "one",
        "two",
    ]


def test_past_the_script_it_says_honestly_how_long_somebody_spoke() -> None:
    script = written({"heard": ["one"]})
    script.next_heard("a", 1.0)
    assert script.next_heard("a", 2.34) == "(2.3 seconds of speech)"


def test_a_call_may_have_a_script_of_its_own() -> None:
    script = written({"heard": ["for all"]}, {"heard": ["for a"], "call_id": "a"})
    assert (script.next_heard("a", 1.0), script.next_heard("b", 1.0)) == ("for a", "for all")


def test_a_new_script_is_read_from_its_beginning() -> None:
    script = written({"heard": ["one", "two"]})
    script.next_heard("a", 1.0)
    script.write({"heard": ["three"]})
    assert script.next_heard("a", 1.0) == "three"


def test_an_answer_is_found_whatever_the_marks_and_capitals() -> None:
    script = written({"replies": {"What is THIS?": "A test."}})
    assert script.reply_to("a", "what is  this", spoken=True) == "A test."


def test_a_scripts_answer_beats_the_built_in_one() -> None:
    assert "How can I help" in Script().reply_to("a", "Hello!", spoken=False)
    assert written({"replies": {"hello": "Go away."}}).reply_to("a", "Hello!", spoken=False) == "Go away."


def test_whatever_is_said_is_answered_warmly() -> None:
    script = Script()
    assert script.reply_to("a", None, spoken=False) == UNPROMPTED
    assert script.reply_to("a", "(2.3 seconds of speech)", spoken=True) == UNSCRIPTED
    assert script.reply_to("a", "Colourless green ideas", spoken=False) == UNSCRIPTED_TEXT


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"heard": "one"},
        {"heard": [1]},
        {"replies": ["x"]},
        {"replies": {"x": ""}},
        {"hear": []},
        {"heard": [], "call_id": 1},
    ],
)
def test_a_script_that_is_none_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Mistake):
        written(body)
