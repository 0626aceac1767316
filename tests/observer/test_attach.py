"""Dials that do not lead to a sideband, and what becomes of the call meanwhile."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from tests.observer.scenes import SPEECH, noted, open_call
from tests.player import Attach, Player
from tests.processes import House, until

UNDERWAY = Attach(frames=[SPEECH], close=(1000, ""))


def test_a_refusal_keeps_the_upstreams_words_but_no_secret(house: House, player: Player) -> None:
    words = "no: your api-key a-key-of-the-tests, not Bearer ek_0123456789abc"
    call_id, _ = open_call(house, player, Attach(403, body=words), UNDERWAY)

    house.ended(call_id)

    refused = noted(house, call_id, "observer.attach_refused")[0]
    assert refused["status"] == 403 and str(refused["said"]).startswith("no: your api-key Secret(…)")
    assert "a-key-of-the-tests" not in str(refused) and "ek_0123" not in str(refused)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wait", ["0", "1", formatdate(0, usegmt=True)])
def test_retry_after_is_obeyed_as_seconds_and_as_a_date(
    house: House, player: Player, status: int, wait: str
) -> None:
    attaches = [Attach(status, headers={"Retry-After": wait}), UNDERWAY]
    call_id, scenario = open_call(house, player, *attaches)

    house.ended(call_id)

    assert scenario.dialled[:2] == [str(status), "101"]
    assert scenario.dialled_at[1] - scenario.dialled_at[0] >= 1.0  # never less, whatever is asked
    states = [event["type"] for event in house.events(call_id, source="observer")]
    assert states[:3] == ["observer.attach_refused", "observer.attached", "observer.gap"]


def test_a_long_retry_after_does_not_outlast_our_patience(house: House, player: Player) -> None:
    call_id, scenario = open_call(house, player, Attach(429, headers={"Retry-After": "3600"}))

    until(lambda: house.call(call_id)["state"] == "unobserved", "the unobserved call")

    assert house.ended(call_id)["end"] == {"reason": "not_observed", "certainty": "stated"}
    assert scenario.dialled == ["429"] and scenario.hung_up == 1
    (gap,) = noted(house, call_id, "observer.gap")
    assert gap["cause"] == "attach_late"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(house: House, player: Player, status: int) -> None:
    elsewhere = {"Location": f"{player.url}/elsewhere?call_id=rtc_1"}
    call_id, scenario = open_call(house, player, Attach(status, headers=elsewhere), UNDERWAY)

    house.ended(call_id)

    assert scenario.dialled[:2] == [str(status), "101"]
    assert noted(house, call_id, "observer.attach_refused")[0]["status"] == status


WRONG_KEY = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: bm90IHRoZSBhbnN3ZXI=\r\n\r\n"
)


@pytest.mark.parametrize("handshake", [b"", b"HTTP/1.1 101 Swit", WRONG_KEY, b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_handshake_that_hangs_or_makes_no_sense_is_given_up_and_tried_again(
    house: House, player: Player, handshake: bytes
) -> None:
    call_id, scenario = open_call(house, player, Attach(handshake=handshake), UNDERWAY)

    house.ended(call_id)

    assert scenario.dialled[:2] == ["101", "101"]
    assert noted(house, call_id, "observer.attach_refused")[0]["status"] is None


DIALS_AT_ONCE, HANDSHAKE_SECONDS = 2, 1.0
PACED = (
    "from observer.__main__ import main; from observer.limits import Limits; "
    f"main(Limits(dials_at_once={DIALS_AT_ONCE}, handshake={HANDSHAKE_SECONDS}))"
)


def test_an_observer_that_finds_many_calls_dials_so_many_at_once_and_no_more(
    web_of_player: House, player: Player
) -> None:
    """An upstream that is dialled hundreds of times at once refuses (429)."""
    house, heard = web_of_player, Attach(frames=[SPEECH])
    first = house.start_observer()
    house.ready()
    calls = [open_call(house, player, heard, Attach(handshake=b""), heard) for _ in range(6)]
    for call_id, _ in calls:
        house.observed(call_id)
    first.child.kill()
    first.child.wait()
    house.observers.remove(first)
    house.start_observer("-c", PACED)
    until(lambda: all(len(scenario.sockets) == 2 for _, scenario in calls), "the second sidebands")
    dialled = sorted(at for _, scenario in calls for at in scenario.dialled_at[1:])
    # Each of the first six waits in vain for its handshake, and whoever comes behind two of them waits for one of both.
    behind = dialled[DIALS_AT_ONCE : len(calls)]
    assert all(at - before > HANDSHAKE_SECONDS / 2 for before, at in zip(dialled, behind, strict=False))
    for call_id, _ in calls:
        house.hang_up(call_id)
        house.ended(call_id)
