"""What Azure and OpenAI really said, through /connect and the observer, into the log: every frame, in order, as is."""

from __future__ import annotations

import json
import random
import sqlite3
from typing import Any

import pytest

from tests.player import Attach, Player, Scenario, recorded
from tests.processes import House

OFFER = recorded("azure_mint_and_call")["exchanges"][1]["request"]["text"]
ANSWER = recorded("azure_mint_and_call")["exchanges"][1]["response"]
SEED = 20261121


def frames_of(name: str) -> list[str]:
    """The received frames, written as no two serialisers would: raw text must survive, not only its meaning."""
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    received = [frame["event"] for frame in recorded(name)["frames"] if frame["direction"] == "received"]
    styles: list[dict[str, Any]] = [{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}]
    return [json.dumps(event, **chance.choice(styles)) for event in received]


def stored(house: House, call_id: str) -> list[bytes]:
    """The upstream's bytes in the call log, read past all of our code."""
    with sqlite3.connect(house.folder / "calls.db") as db:
        rows = db.execute(
            "select body from events join calls using (number) where call_id = ? and source = 'upstream' order by seq",
            (call_id,),
        )
        return [bytes(body) for (body,) in rows]


@pytest.mark.parametrize(
    "name",
    ["azure_sideband_text_turn", "openai_sideband_text_turn", "azure_voice_turn", "azure_tool_call_round"],
)
def test_the_log_holds_exactly_the_recorded_frames(house: House, player: Player, name: str) -> None:
    frames = frames_of(name)
    assert len(frames) > 10
    scenario = Scenario([Attach(frames=list(frames), close=(1000, ""))], ANSWER["text"].encode())
    player.expect(scenario)

    answer = house.connect(OFFER)

    assert answer.status_code == 201 and answer.text == ANSWER["text"]
    call_id = answer.headers["X-Call-Id"]
    call = house.ended(call_id)
    assert stored(house, call_id) == [frame.encode() for frame in frames]
    shown = [event["event"] for event in house.events(call_id, source="upstream")]
    assert shown == [json.loads(frame) for frame in frames]
    assert call["end"] == {"reason": "caller_hung_up", "certainty": "inferred"}


def test_the_recorded_text_turn_reads_as_a_conversation(house: House, player: Player) -> None:
    player.expect(Scenario([Attach(frames=list(frames_of("azure_sideband_text_turn")), close=(1000, ""))]))

    call = house.ended(house.connect(OFFER).headers["X-Call-Id"])

    assert [(turn["role"], turn["text"]) for turn in call["turns"]] == [
        ("user", "Say hello."),
        ("assistant", "Hello there!"),
    ]
    assert call["summary"]["usage"]["total_tokens"] == 17


def test_a_call_that_knows_only_the_older_name_of_an_added_item_reads_the_same(
    house: House, player: Player
) -> None:
    frames = [
        frame.replace("conversation.item.added", "conversation.item.created")
        for frame in frames_of("azure_sideband_text_turn")
        if '"conversation.item.done"' not in frame
    ]
    assert sum("conversation.item.created" in frame for frame in frames) == 2
    player.expect(Scenario([Attach(frames=list(frames), close=(1000, ""))]))

    call = house.ended(house.connect(OFFER).headers["X-Call-Id"])

    assert [(turn["role"], turn["text"], turn["final"]) for turn in call["turns"]] == [
        ("user", "Say hello.", True),
        ("assistant", "Hello there!", True),
    ]
    assert call["end"] == {"reason": "caller_hung_up", "certainty": "inferred"}


def test_the_offer_reached_the_upstream_byte_for_byte_and_no_key_went_with_it(
    house: House, player: Player
) -> None:
    player.requests.clear()
    player.expect(Scenario([Attach(close=(1000, ""))]))
    house.ended(house.connect(OFFER).headers["X-Call-Id"])

    headers = {step: headers for step, headers, _ in player.requests}
    bodies = {step: body for step, _, body in player.requests}
    assert bodies["call"] == OFFER.encode()
    assert headers["call"]["Authorization"] == "Bearer ek_player" and "api-key" not in headers["call"]
    assert headers["attach"]["api-key"] == "a-key-of-the-tests" and "Authorization" not in headers["attach"]


def test_the_recorded_tool_round_shows_what_was_asked_and_answered(house: House, player: Player) -> None:
    player.expect(Scenario([Attach(frames=list(frames_of("azure_tool_call_round")), close=(1000, ""))]))

    call = house.ended(house.connect(OFFER).headers["X-Call-Id"])

    (tool,) = [turn["tool"] for turn in call["turns"] if turn["role"] == "tool"]
    assert tool["name"] == "get_weather" and json.loads(tool["arguments"])["city"]
    assert tool["output"] and tool["status"] == "completed"
    assert call["summary"]["tool_calls"] == 1
    assert call["summary"]["cost"]["usd"] and float(call["summary"]["cost"]["usd"]) > 0
