"""Calls that end before they began: hung up while dialling, left by the browser, refused, answered too late."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from observer.ending import shows_a_peer
from tests.observer.scenes import OFFER, SPEECH
from tests.player import Attach, Player, Scenario
from tests.processes import House, until


def lasted(call: dict[str, Any]) -> timedelta:
    """From the answer to the end, as the log has them."""
    return datetime.fromisoformat(call["ended_at"]) - datetime.fromisoformat(call["answered_at"])


def newest(house: House) -> dict[str, object]:
    return dict(house.get("/calls?limit=1").json()["calls"][0])


def test_a_hang_up_while_dialling_ends_the_call_as_soon_as_it_has_a_name(
    house: House, player: Player
) -> None:
    scenario = player.expect(Scenario([Attach(frames=[SPEECH])], held_back=True))
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(house.connect, OFFER)
        assert scenario.asked.wait(10)
        call = newest(house)
        assert call["state"] == "dialling"
        assert house.hang_up(str(call["id"])).status_code == 202
        scenario.may_answer.set()
        answer = connecting.result()

    assert (answer.status_code, answer.json()["code"]) == (409, "call_ended")
    ended = house.ended(str(call["id"]))
    assert ended["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
    assert scenario.hung_up == 1


def test_a_browser_that_leaves_before_the_answer_has_its_call_hung_up(house: House, player: Player) -> None:
    scenario = player.expect(Scenario([Attach(frames=[SPEECH])], held_back=True))
    where = urlsplit(house.url)
    head = (
        f"POST /connect HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(OFFER)}\r\n\r\n"
    )
    with socket.create_connection((where.hostname or "", where.port or 0)) as browser:
        browser.sendall((head + OFFER).encode())
        assert scenario.asked.wait(10)
    call = newest(house)
    scenario.may_answer.set()

    ended = house.ended(str(call["id"]))
    assert ended["end"] == {"reason": "abandoned", "certainty": "stated"}
    assert scenario.hung_up == 1


@pytest.mark.parametrize(
    "garbage", [b"", b"<html>", b"{}", b"x" * 300_000], ids=["empty", "html", "json", "long"]
)
def test_a_call_whose_answer_is_no_sdp_is_withheld_and_hung_up(
    house: House, player: Player, garbage: bytes
) -> None:
    scenario = player.expect(Scenario([Attach(frames=[SPEECH])], answer=garbage))

    answer = house.connect(OFFER)

    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_garbled")
    ended = house.ended(str(newest(house)["id"]))
    assert ended["end"] == {"reason": "upstream_error", "certainty": "stated"}
    assert ended["hang_up"]["by"] == "token_service"
    assert scenario.hung_up == 1


def test_a_call_without_a_name_runs_unobserved_and_ends_as_unknown_when_it_must_be_over(
    house: House, player: Player
) -> None:
    scenario = player.expect(Scenario([Attach(frames=[SPEECH])], named=False))

    answer = house.connect(OFFER)

    assert (answer.status_code, answer.text) == (201, scenario.answer.decode())
    call_id = answer.headers["X-Call-Id"]
    ended = house.ended(call_id)
    assert ended["end"] == {"reason": "unknown", "certainty": "inferred"}
    assert (ended["upstream_call_id"], ended["observed_at"]) == (None, None)
    assert lasted(ended) >= timedelta(seconds=2.5)
    assert (scenario.dialled, scenario.hung_up) == ([], 0)
    assert house.hang_up(call_id).status_code == 200


def test_a_leaving_browser_that_says_so_ends_its_call(house: House, player: Player) -> None:
    scenario = player.expect(Scenario([Attach(frames=[SPEECH])]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)

    assert house.report(call_id, kind="leaving").status_code == 202

    assert house.ended(call_id)["end"] == {"reason": "caller_hung_up", "certainty": "stated"}
    assert scenario.hung_up == 1
    (goodbye,) = house.events(call_id, source="browser")
    assert (goodbye["type"], goodbye["event"]["type"]) == ("browser.leaving", "browser.leaving")


def test_a_browser_that_stays_to_say_that_its_line_closed_did_not_hang_up(
    house: House, player: Player
) -> None:
    scenario = player.expect(Scenario([Attach(frames=[SPEECH])]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)

    house.report(call_id, kind="channel", state="closed")
    until(lambda: house.events(call_id, source="browser"), "the report")
    player.end(scenario)

    assert house.ended(call_id)["end"] == {"reason": "upstream_closed", "certainty": "probed"}


def test_a_silent_browser_that_reports_is_not_taken_for_absent(house: House, player: Player) -> None:
    player.expect(Scenario([Attach(frames=['{"type": "session.updated", "event_id": "e"}'])]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)

    house.report(call_id, kind="connection", state="connected")

    until(lambda: house.events(call_id, type="browser.connection"), "the report")
    absent = player.expect(Scenario([Attach(frames=['{"type": "session.updated", "event_id": "e"}'])]))
    assert house.ended(house.connect(OFFER).headers["X-Call-Id"])["end"]["reason"] == "never_connected"
    assert absent.hung_up == 1
    assert house.call(call_id)["state"] == "observed"
    house.hang_up(call_id)
    house.ended(call_id)


@pytest.mark.parametrize(
    ("type", "item", "shows"),
    [
        ("input_audio_buffer.speech_started", {}, True),
        ("conversation.item.added", {"id": "item_of_a_page", "role": "user"}, True),
        ("conversation.item.created", {"id": "item_of_a_page", "role": "user"}, True),
        ("conversation.item.added", {"id": "item_of_ours", "role": "user"}, False),
        ("conversation.item.added", {"id": "item_2", "role": "assistant"}, False),
        ("conversation.item.added", {"id": "item_3", "role": "system"}, False),
        ("response.created", {}, False),
    ],
)
def test_what_we_cause_ourselves_is_no_sign_of_a_peer(type: str, item: dict[str, Any], shows: bool) -> None:
    assert shows_a_peer(type, {"type": type, "item": item}, {"item_of_ours"}) is shows
