"""What a new holder makes of the tools that it finds: nothing runs twice, and nothing is left without an answer."""

from __future__ import annotations

from call_log.tool_runs import Run, State
from observer.tools_left import RECENT_MS, Left, judge
from realtime.tool_calls import Announced, FunctionCall, command_id

NOW = 1_795_000_000_000
CALLS = [FunctionCall("a", "weather", "{}"), FunctionCall("b", "refund", '{"order_id": 1}')]
SAID = Announced("resp_1", CALLS)
NEXT = SAID.command_id


def run(id: str, state: State, code: str | None = None) -> Run:
    return Run(1, id, "resp_1", "x", state, code, None, NOW, None, None, 1)


def left(*runs: Run, sent: tuple[str, ...] = (), ago: int = 0) -> list[Left]:
    return judge(runs, [(NOW - ago, SAID)], dict.fromkeys(sent, "sent"), NOW)


def test_what_nobody_took_up_is_taken_up_now_if_it_is_not_old() -> None:
    assert left() == [Left(SAID, is_new=True)]
    assert left(ago=RECENT_MS) == [Left(SAID, is_new=True)]
    assert left(ago=RECENT_MS + 1) == []


def test_what_began_and_has_no_output_on_its_way_is_lost() -> None:
    (found,) = left(run("a", "started"), run("b", "answered"))
    assert found.lost == [(CALLS[0], "holder_changed", "unknown"), (CALLS[1], "holder_changed", "unknown")]
    assert not found.is_new and found.waiting == []


def test_a_refusal_that_was_not_sent_is_said_again() -> None:
    (found,) = left(run("a", "refused", "bad_arguments"), run("b", "refused", "denied"))
    assert [code for _, code, _ in found.lost] == ["bad_arguments", "denied"]


def test_who_waits_is_asked_again_with_the_arguments_of_the_log() -> None:
    (found,) = left(run("a", "started"), run("b", "waiting"), sent=(command_id("a"),))
    assert found.waiting == [CALLS[1]] and found.lost == []
    assert found.given == ["a"]


def test_where_the_log_has_no_arguments_nobody_is_asked_again_in_vain() -> None:
    (found,) = judge([run("b", "waiting")], [], {}, NOW)
    assert found.waiting == [FunctionCall("b", "x", None)]


def test_once_all_outputs_are_out_only_the_next_response_is_missing() -> None:
    outputs = (command_id("a"), command_id("b"))
    (found,) = left(run("a", "answered"), run("b", "answered"), sent=outputs)
    assert found == Left(Announced("resp_1", []))
    assert left(run("a", "answered"), run("b", "answered"), sent=(*outputs, NEXT)) == []
