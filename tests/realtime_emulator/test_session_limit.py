"""A session has a longest life, which can be made short; and the process tells no more than it was asked to."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

OVER = "Your session hit the maximum duration of 60 minutes."


@pytest.fixture(scope="module")
def hasty(starter: Any) -> Iterator[Any]:
    start, stop = starter
    emulator = start("--session-seconds", "2", "--log-level", "warning")
    yield emulator
    code, lines = stop(emulator)
    assert (code, lines) == (0, ""), "below the level that was asked for, nothing is logged"


def test_at_its_end_the_session_says_so_and_closes(hasty: Any, caller: Any) -> None:
    async def outlive() -> tuple[list[Any], list[Any], Any, float, dict[str, Any]]:
        before = time.time()
        async with caller(hasty) as call:
            await call.wait_for_channel()
            began = time.time()
            await call.tell({"type": "session.update", "session": {"type": "realtime"}})
            expires_at = (await call.wait_for("session.updated"))["session"]["expires_at"]
            # The session began between the two, and its end is told in whole seconds.
            assert int(before) + 2 <= expires_at <= began + 2
            await call.until(lambda: call.close_code is not None, "the close")
            await call.until(lambda: call.pc.connectionState == "closed", "the peer's end")
            record = await hasty.record(call.call_id)
            return call.events, call.channel_events, call.socket, began, record

    events, channel, socket, _, record = asyncio.run(outlive())
    for heard in (events, channel):
        error = heard[-1]["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "session_expired")
        assert (error["message"], error["event_id"]) == (OVER, None)
    assert socket.close_code == 1001
    assert record["ended_by"] == "session_limit"
    assert 1900 < record["ended_at"] - record["answered_at"] < 3000


def test_a_sideband_that_comes_after_the_end_finds_nothing(hasty: Any, caller: Any) -> None:
    async def outlive() -> int:
        async with caller(hasty, connects=False) as call:
            await call.until(lambda: call.close_code is not None, "the close")
            answer = await call.http.get(f"{call.url}?call_id={call.call_id}", headers=call.key)
            return int(answer.status)

    assert asyncio.run(outlive()) == 404


def test_the_close_gives_the_reason(hasty: Any, caller: Any) -> None:
    async def outlive() -> tuple[Any, Any]:
        async with caller(hasty, connects=False) as call:
            second = await call.http.ws_connect(f"{call.url}?call_id={call.call_id}", headers=call.key)
            while (message := await second.receive()).data is None or message.type.name == "TEXT":
                pass
            return message.data, message.extra

    assert asyncio.run(outlive()) == (1001, OVER)


@pytest.mark.parametrize(
    "options", [["--session-seconds", "0"], ["--session-seconds", "3601"], ["--log-level", "loud"]]
)
def test_options_that_make_no_sense_are_refused(options: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "realtime_emulator", *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=20,
    )
    assert ended.returncode == 2
    assert options[0].encode() in ended.stderr


def test_by_default_it_tells_what_befalls_calls(starter: Any, caller: Any) -> None:
    start, stop = starter
    emulator = start()

    async def dial() -> None:
        async with caller(emulator, connects=False):
            pass

    asyncio.run(dial())
    told = [json.loads(line)["event"] for line in stop(emulator)[1].splitlines()]
    assert [event for event in told if " " not in event] == [
        "emulator_listening",
        "call_opened",
        "sideband_attached",
        "call_ended",
        "emulator_stopped",
    ]
