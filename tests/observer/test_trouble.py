"""An upstream that says it is not well: kept, told once, and not besieged."""

from __future__ import annotations

import json

import pytest

from call_log.events import EventRow
from observer.limits import Limits
from observer.trouble import Trouble
from tests.observer.scenes import alarms, noted, open_call
from tests.observer.test_drops import told
from tests.player import Attach, Player
from tests.processes import House, until

CREATED = '{"type": "session.created", "event_id": "e1", "session": {"id": "sess_9", "type": "realtime"}}'


def server_error(event_id: str, message: str = "The server had an error.") -> str:
    error = {"type": "server_error", "code": None, "message": message, "param": None, "event_id": None}
    return json.dumps({"type": "error", "event_id": event_id, "error": error})


def test_a_server_error_on_an_open_sideband_is_told_once_with_the_sessions_id(
    house: House, player: Player
) -> None:
    frames = [CREATED, *(server_error(f"x{n}") for n in range(5))]
    call_id, scenario = open_call(house, player, Attach(frames=list(frames)))

    until(lambda: "degraded server_error" in told(house, call_id), "the note")

    assert house.call(call_id)["state"] == "observed" and scenario.dialled == ["101"]
    assert len(house.events(call_id, type="error")) == 5
    assert noted(house, call_id, "observer.degraded") == [
        {"type": "observer.degraded", "cause": "server_error", "session_id": "sess_9"}
    ]
    house.hang_up(call_id)
    house.ended(call_id)


def test_a_server_error_that_closes_the_sideband_each_time_is_no_storm_and_ends_the_call_in_the_end(
    house: House, player: Player
) -> None:
    attaches = [
        Attach(frames=[CREATED, server_error(f"x{n}", "Quote sess_9 to us")], close=(1011, ""))
        for n in range(50)
    ]
    call_id, scenario = open_call(house, player, *attaches)

    assert house.ended(call_id)["end"] == {"reason": "not_observed", "certainty": "stated"}

    assert scenario.hung_up == 1
    assert len(house.events(call_id, type="error")) == len(scenario.dialled) == Limits().ill_at_most
    assert alarms(house, call_id) == ["call_given_up"]
    assert told(house, call_id).count("degraded server_error") == 1
    pauses = [b - a for a, b in zip(scenario.dialled_at, scenario.dialled_at[1:], strict=False)]
    assert all(pause >= 0.15 for pause in pauses[1:])  # never less: this observer's 200 ms, jittered


@pytest.mark.parametrize(
    ("session", "message", "session_id"),
    [
        (None, "Sorry (session sess_ABC123).", "sess_ABC123"),
        (None, "Sorry.", None),
        (None, None, None),
        ({"id": 7}, "Sorry.", None),
        ({"id": "sess_1"}, "sess_2", "sess_1"),
    ],
)
def test_the_sessions_id_is_found_where_it_is(
    session: object, message: object, session_id: str | None
) -> None:
    trouble = Trouble()

    def hear(**event: object) -> object:
        return trouble.hear(
            EventRow(1, 1, 0, "upstream", str(event["type"]), None, json.dumps(event).encode())
        )

    assert hear(type="session.updated", session=session) is None
    told = hear(type="error", error={"type": "server_error", "message": message})
    assert told == {"cause": "server_error", "session_id": session_id}
    assert hear(type="error", error={"type": "server_error", "message": message}) is None
    assert hear(type="error", error={"type": "invalid_request_error"}) is None
