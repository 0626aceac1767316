"""The upstream's cap on a session, in scaled time, against the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aiortc_peer import a_real_offer
from tests.processes import Emulator, House


@pytest.fixture
def short_sessions(tmp_path: Path) -> Iterator[House]:
    emulator = Emulator.start(tmp_path, "--session-seconds", "2")
    house = House.build(tmp_path / "house", emulator.url).start()
    yield house
    house.stop()
    assert emulator.process.stop() == 0


def test_the_cap_of_a_session_ends_the_call_and_is_stated(short_sessions: House) -> None:
    call_id = short_sessions.connect(a_real_offer()).headers["X-Call-Id"]

    call = short_sessions.ended(call_id)

    assert call["end"] == {"reason": "upstream_session_limit", "certainty": "stated"}
    (detached,) = short_sessions.events(call_id, type="observer.detached")
    assert detached["event"]["code"] == 1001
    assert [event["event"]["error"]["code"] for event in short_sessions.events(call_id, type="error")] == [
        "session_expired"
    ]
