"""Lines that died without a word, peers that show no sign of life or do not let go."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import Iterator

import pytest

from observer.limits import Limits
from observer.sideband import Sideband, dial
from tests.black_hole import Wire
from tests.observer.scenes import SPEECH, noted, open_call
from tests.observer.test_drops import LATER, told
from tests.player import Attach, Player, Scenario
from tests.processes import House, until

WATCHFUL = (
    "from observer.__main__ import main; from observer.limits import Limits; "
    "main(Limits(first_pong=2.0, ping_every=0.3, pong_within=2.0))"
)


@pytest.fixture(scope="module")
def wire(player: Player) -> Iterator[Wire]:
    between = Wire(player.url)
    yield between
    between.close()


@pytest.fixture(scope="module")
def watchful(tmp_path_factory: pytest.TempPathFactory, player: Player, wire: Wire) -> Iterator[House]:
    """Its observer, and only that, reaches the upstream over the wire."""
    built = House.build(tmp_path_factory.mktemp("watchful"), player.url)
    built.environ["AZURE_OPENAI_ENDPOINT"] = wire.url
    built.start_observer("-c", WATCHFUL)
    built.environ["AZURE_OPENAI_ENDPOINT"] = player.url
    built.start_web()
    built.ready()
    yield built
    built.stop()


def test_a_black_hole_is_noticed_and_dialled_around(watchful: House, player: Player, wire: Wire) -> None:
    call_id, scenario = open_call(watchful, player, Attach(frames=[SPEECH]), Attach(frames=[LATER]))
    until(lambda: watchful.events(call_id, source="upstream"), "the first event")

    wire.swallow()
    swallowed_at = time.time() * 1000
    player.say(scenario, '{"type": "swallowed", "event_id": "s"}')

    until(lambda: len(watchful.events(call_id, source="upstream")) == 2, "the event after it")
    assert told(watchful, call_id) == ["attached", "detached", "attached", "gap detached"]
    (gap,) = noted(watchful, call_id, "observer.gap")
    assert noted(watchful, call_id, "observer.detached")[0] == {
        "type": "observer.detached",
        "code": 1006,
        "reason": "no pong",
        "ours": True,
        "after_hang_up": False,
        "until_at": gap["from_at"],
    }
    assert int(str(gap["from_at"])) <= swallowed_at <= int(str(gap["until_at"]))
    watchful.hang_up(call_id)
    watchful.ended(call_id)


def test_a_sideband_without_a_sign_of_life_is_dialled_once_more_and_then_kept(
    watchful: House, player: Player
) -> None:
    call_id, scenario = open_call(watchful, player, Attach(mute=True), Attach(mute=True), Attach(mute=True))

    until(lambda: "degraded silent" in told(watchful, call_id), "the note")
    assert told(watchful, call_id) == ["attached", "detached", "attached", "gap detached", "degraded silent"]
    assert noted(watchful, call_id, "observer.detached")[0]["reason"] == "silent"

    until(lambda: len(scenario.dialled) == 3, "the ordinary watch over it")
    until(lambda: told(watchful, call_id).count("attached") == 3, "the third attach")
    player.say(scenario, SPEECH)
    until(lambda: watchful.events(call_id, source="upstream"), "an event all the same")
    watchful.hang_up(call_id)
    watchful.ended(call_id)
    assert told(watchful, call_id).count("degraded silent") == 1


def test_events_are_as_good_as_pongs(watchful: House, player: Player) -> None:
    call_id, scenario = open_call(watchful, player, Attach(mute=True, frames=[SPEECH]))
    for n in itertools.count(1):
        until(lambda n=n: len(watchful.events(call_id, source="upstream")) == n, "the event")  # type: ignore[misc]
        if scenario.pings == 3:  # two have been judged by then
            break
        player.say(scenario, f'{{"type": "x", "event_id": "n{n}"}}')
    watchful.hang_up(call_id)
    watchful.ended(call_id)
    assert scenario.dialled == ["101"]


@pytest.fixture
def open_scenario(player: Player) -> Scenario:
    scenario = Scenario([Attach(deaf=True)], call_id="rtc_of_nobody")
    player.know(scenario)
    return scenario


async def attach(player: Player, limits: Limits) -> Sideband:
    url = player.url.replace("http", "ws") + "/openai/v1/realtime?call_id=rtc_of_nobody"
    return await dial(url, {}, ssl.create_default_context(), limits)


def test_closing_does_not_wait_for_a_peer_that_does_not_let_go(
    player: Player, open_scenario: Scenario
) -> None:
    async def leave() -> int:
        sideband = await attach(player, Limits(close=0.2))
        await asyncio.wait_for(sideband.close(), 15)
        assert [frame async for frame in sideband.frames()] == []
        return sideband.closed.code

    assert asyncio.run(leave()) in (1000, 1006)


def test_a_peer_that_floods_whoever_leaves_is_cut_off(player: Player, open_scenario: Scenario) -> None:
    frame = json.dumps({"type": "x", "more": "x" * 1_000})
    open_scenario.attaches[0] = Attach(frames=[frame] * 30)

    async def leave() -> tuple[list[bytes], bool]:
        sideband = await attach(player, Limits(call_waiting_max_bytes=5_000))
        return await asyncio.wait_for(sideband.leave(), 15), sideband.is_drained

    assert asyncio.run(leave()) == ([frame.encode()] * 5, False)


def test_a_peer_that_says_goodbye_and_keeps_the_connection_is_left(
    player: Player, open_scenario: Scenario
) -> None:
    open_scenario.attaches[
        0
    ].wire = b"\x88\x02\x03\xf3"  # a close frame, 1011; the player goes on as if it had not

    async def hear() -> int:
        sideband = await attach(player, Limits(close=0.2))
        heard = [frame async for frame in sideband.frames()]
        assert heard == []
        return sideband.closed.code

    assert asyncio.run(asyncio.wait_for(hear(), 15)) == 1011
