"""How a sideband begins and ends, and what becomes of its call: the observer's process against a scripted upstream."""

from __future__ import annotations

import json

import pytest

from tests.observer.scenes import SPEECH, alarms, noted, open_call
from tests.player import Attach, Player
from tests.processes import House, until


def test_it_tries_again_while_the_upstream_does_not_know_the_call_yet(house: House, player: Player) -> None:
    call_id, scenario = open_call(
        house, player, Attach(404), Attach(404), Attach(frames=[SPEECH], close=(1000, ""))
    )

    call = house.ended(call_id)

    assert scenario.dialled == ["404", "404", "101", "404"]
    (refused, gone) = noted(house, call_id, "observer.attach_refused")
    assert refused["status"] == 404 and "call_id_not_found" in str(refused["said"])
    assert gone["status"] == 404
    assert call["end"] == {"reason": "caller_hung_up", "certainty": "inferred"}


def test_a_late_attach_leaves_a_gap(house: House, player: Player) -> None:
    call_id, _ = open_call(house, player, *[Attach(404)] * 4, Attach(frames=[SPEECH], close=(1000, "")))
    house.ended(call_id)
    (gap,) = noted(house, call_id, "observer.gap")
    assert gap["cause"] == "attach_late" and int(str(gap["until_at"])) - int(str(gap["from_at"])) >= 400


def test_a_call_that_never_can_be_attached_to_is_hung_up(house: House, player: Player) -> None:
    call_id, scenario = open_call(house, player, *[Attach(404)] * 50)

    until(lambda: house.call(call_id)["state"] == "unobserved", "the unobserved call")
    call = house.ended(call_id)

    assert call["end"] == {"reason": "not_observed", "certainty": "stated"}
    assert scenario.hung_up == 1
    assert alarms(house, call_id) == ["call_unobserved", "call_given_up"]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_other_refusals_are_kept_with_the_upstreams_words_and_tried_again(
    house: House, player: Player, status: int
) -> None:
    attaches = [Attach(status, body="those words"), Attach(frames=[SPEECH], close=(1000, ""))]
    call_id, scenario = open_call(house, player, *attaches)

    house.ended(call_id)

    assert scenario.dialled[:2] == [str(status), "101"]
    assert noted(house, call_id, "observer.attach_refused")[0] == {
        "type": "observer.attach_refused",
        "status": status,
        "said": "those words",
    }


@pytest.mark.parametrize("close", [(1000, ""), (1001, "rotating"), (1011, "oops"), (1012, ""), None])
def test_a_close_is_not_an_end(house: House, player: Player, close: tuple[int, str] | None) -> None:
    first = Attach(frames=[SPEECH], close=close, cut=close is None)
    second = Attach(frames=['{"type": "input_audio_buffer.speech_stopped", "event_id": "e2"}'])
    call_id, scenario = open_call(house, player, first, second)

    until(lambda: len(house.events(call_id, source="upstream")) == 2, "both frames")

    assert house.call(call_id)["state"] == "observed"
    (gap,) = noted(house, call_id, "observer.gap")
    assert gap["cause"] == "detached" and int(str(gap["from_at"])) <= int(str(gap["until_at"]))
    assert noted(house, call_id, "observer.detached")[0]["code"] == (close or (1006, ""))[0]
    assert [e["seq"] for e in house.events(call_id)] == list(range(1, len(house.events(call_id)) + 1))
    house.hang_up(call_id)
    assert house.ended(call_id)["end"]["reason"] == "operator_hung_up"
    assert scenario.hung_up == 1


@pytest.mark.parametrize(
    ("attach", "reason", "certainty"),
    [
        (Attach(frames=[SPEECH], close=(1000, "")), "caller_hung_up", "inferred"),
        (Attach(close=(1000, "")), "upstream_closed", "probed"),
        (Attach(frames=[SPEECH], close=(1011, "")), "upstream_closed", "probed"),
        (Attach(frames=[SPEECH], cut=True), "upstream_closed", "probed"),
        (
            Attach(close=(1001, "Your session hit the maximum duration of 60 minutes.")),
            "upstream_session_limit",
            "stated",
        ),
        (
            Attach(frames=['{"type":"error","error":{"code":"session_expired"}}'], close=(1000, "")),
            "upstream_session_limit",
            "stated",
        ),
    ],
)
def test_every_end_has_its_reason_and_says_how_certain_it_is(
    house: House, player: Player, attach: Attach, reason: str, certainty: str
) -> None:
    call_id, scenario = open_call(house, player, attach)
    call = house.ended(call_id)
    assert call["end"] == {"reason": reason, "certainty": certainty}
    assert noted(house, call_id, "observer.ended") == [
        {"type": "observer.ended", "reason": reason, "certainty": certainty}
    ]
    if reason == "upstream_session_limit":
        assert scenario.dialled == ["101"]


def test_a_call_without_a_sign_of_a_browser_is_hung_up(house: House, player: Player) -> None:
    call_id, scenario = open_call(
        house, player, Attach(frames=['{"type": "session.updated", "event_id": "e"}'])
    )
    call = house.ended(call_id)
    assert call["end"] == {"reason": "never_connected", "certainty": "inferred"}
    assert scenario.hung_up == 1


def test_a_hang_up_is_repeated_until_the_upstream_takes_it(house: House, player: Player) -> None:
    call_id, scenario = open_call(house, player, Attach(frames=[SPEECH]), hangups=[500, 500, 500, 500])
    house.observed(call_id)

    assert house.hang_up(call_id).status_code == 202
    assert house.ended(call_id)["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
    assert scenario.hung_up == 1
    assert house.hang_up(call_id).status_code == 200


def test_a_sideband_that_is_not_closed_after_the_hang_up_is_left(house: House, player: Player) -> None:
    call_id, scenario = open_call(house, player, Attach(frames=[SPEECH]))
    house.observed(call_id)
    scenario.sockets.clear()
    house.hang_up(call_id)
    assert house.ended(call_id)["end"]["reason"] == "operator_hung_up"


def test_no_event_is_shown_before_it_is_in_the_store_and_none_is_missing(
    house: House, player: Player
) -> None:
    call_id, scenario = open_call(house, player, Attach(frames=[SPEECH]))
    house.observed(call_id)
    player.say(scenario, *(json.dumps({"type": "x", "event_id": f"n{n}"}) for n in range(2500)))

    def all_there() -> bool:
        seen, after = [], 0
        while page := house.get(f"/calls/{call_id}/events?after={after}&limit=1000&type=x").json()["events"]:
            seen += [event["event"]["event_id"] for event in page]
            after = page[-1]["seq"]
        return seen == [f"n{n}" for n in range(2500)]

    until(all_there, "2,500 events in order")
    house.hang_up(call_id)
    house.ended(call_id)
