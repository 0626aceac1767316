"""Sidebands that are lost in the middle of a call: found again, or the call is found gone, and every gap is told."""

from __future__ import annotations

import json

import pytest

from tests.observer.scenes import SPEECH, noted, open_call
from tests.player import Attach, Player
from tests.processes import House, until

LATER = '{"type": "input_audio_buffer.speech_stopped", "event_id": "e2"}'
CLEAN, RESET, BROKEN = Attach(frames=[SPEECH], close=(1000, "")), "reset", "broken"


def lost(how: object) -> Attach:
    if isinstance(how, int):
        return Attach(frames=[SPEECH], close=(how, ""))
    return Attach(frames=[SPEECH], cut=how == BROKEN, reset=how == RESET)


def told(house: House, call_id: str) -> list[str]:
    """What the observer noted, in order; gaps with their causes, but not that a slow machine was late to attach."""
    notes = [event["event"] for event in house.events(call_id, source="observer")]
    lines = [note["type"].removeprefix("observer.") + f" {note.get('cause', '')}".rstrip() for note in notes]
    return [line for line in lines if line != "gap attach_late"]


@pytest.mark.parametrize("how", [RESET, BROKEN, 1000, 1011, 1012, 1013])
def test_a_lost_sideband_is_dialled_again_by_the_same_holder(
    house: House, player: Player, how: object
) -> None:
    call_id, scenario = open_call(house, player, lost(how), Attach(frames=[LATER]))

    until(lambda: len(house.events(call_id, source="upstream")) == 2, "both frames")

    assert scenario.dialled == ["101", "101"]
    assert told(house, call_id) == ["attached", "detached", "attached", "gap detached"]
    assert [note["epoch"] for note in noted(house, call_id, "observer.attached")] == [1, 1]
    seqs = [event["seq"] for event in house.events(call_id)]
    assert seqs == list(range(1, len(seqs) + 1))
    house.hang_up(call_id)
    house.ended(call_id)
    # Nothing is missing at its end: we hung up first.
    assert told(house, call_id)[4:] == ["hang_up", "detached", "ended"]


@pytest.mark.parametrize("how", [RESET, BROKEN, 1001, 1011, 1012, 1013])
def test_a_call_that_is_found_gone_after_a_drop_has_a_gap_up_to_its_end(
    house: House, player: Player, how: object
) -> None:
    call_id, _ = open_call(house, player, lost(how))

    assert house.ended(call_id)["end"] == {"reason": "upstream_closed", "certainty": "probed"}

    assert told(house, call_id) == ["attached", "detached", "attach_refused", "gap detached", "ended"]
    (gap,) = noted(house, call_id, "observer.gap")
    assert int(str(gap["from_at"])) <= int(str(gap["until_at"]))


def test_a_clean_goodbye_of_a_call_that_is_over_leaves_no_gap(house: House, player: Player) -> None:
    call_id, _ = open_call(house, player, CLEAN)
    house.ended(call_id)
    assert told(house, call_id) == ["attached", "detached", "attach_refused", "ended"]


def test_a_clean_goodbye_leaves_a_gap_where_the_end_was_only_found_later(
    house: House, player: Player
) -> None:
    call_id, _ = open_call(house, player, CLEAN, Attach(500, body="busy"))
    house.ended(call_id)
    assert told(house, call_id)[-2:] == ["gap detached", "ended"]


@pytest.mark.parametrize("code", [1008, 4000, 4999])
def test_a_sideband_that_is_thrown_out_is_not_dialled_again_and_its_call_is_hung_up(
    house: House, player: Player, code: int
) -> None:
    call_id, scenario = open_call(house, player, Attach(frames=[SPEECH], close=(code, "not you")), Attach())

    assert house.ended(call_id)["end"] == {"reason": "upstream_closed", "certainty": "stated"}

    assert scenario.dialled == ["101"] and scenario.hung_up == 1
    assert told(house, call_id) == ["attached", "detached", "hang_up", "gap detached", "ended"]
    assert noted(house, call_id, "observer.detached")[0]["reason"] == "not you"
    assert "sideband_thrown_out" in house.logs()


def test_the_maximum_duration_ends_the_call_without_another_dial(house: House, player: Player) -> None:
    limit = Attach(frames=[SPEECH], close=(1001, "Your session hit the maximum duration of 60 minutes."))
    call_id, scenario = open_call(house, player, limit, Attach())
    assert house.ended(call_id)["end"] == {"reason": "upstream_session_limit", "certainty": "stated"}
    assert scenario.dialled == ["101"]
    assert told(house, call_id) == ["attached", "detached", "ended"]


MUCH = 17 * 1024 * 1024
WHOLE = json.dumps({"type": "big", "x": "x" * MUCH})


def in_two_parts(payload: bytes) -> bytes:
    """A message of two frames as they go onto the wire, the second one announced and never sent."""
    first = b"\x01\x7f" + len(payload).to_bytes(8) + payload
    return first + b"\x80\x7f" + MUCH.to_bytes(8)


@pytest.mark.parametrize(
    ("attach", "size"),
    [
        (Attach(frames=[SPEECH, WHOLE]), len(WHOLE)),
        (Attach(frames=[SPEECH], wire=in_two_parts(b"x" * 1000)), 1000 + MUCH),
        (Attach(frames=[SPEECH], wire=b"\x81\x7f" + (1 << 30).to_bytes(8)), 1 << 30),
    ],
)
def test_an_event_that_is_too_big_is_a_gap_of_known_size(
    house: House, player: Player, attach: Attach, size: int
) -> None:
    call_id, _ = open_call(house, player, attach, Attach(frames=[LATER]))

    until(lambda: len(house.events(call_id, source="upstream")) == 2, "the event behind it")

    assert told(house, call_id) == ["attached", "detached", "attached", "gap oversize"]
    assert noted(house, call_id, "observer.detached")[0]["code"] == 1009
    assert noted(house, call_id, "observer.gap")[0]["size"] == size
    house.hang_up(call_id)
    house.ended(call_id)


def test_an_event_that_is_too_big_each_time_is_no_reason_for_a_storm(house: House, player: Player) -> None:
    huge = Attach(wire=b"\x81\x7f" + (1 << 30).to_bytes(8))
    call_id, scenario = open_call(house, player, *[huge] * 50)

    until(lambda: len(scenario.dialled) == 4, "four dials")

    pauses = [b - a for a, b in zip(scenario.dialled_at, scenario.dialled_at[1:], strict=False)]
    assert all(pause >= 0.15 for pause in pauses[1:])  # never less: this observer's 200 ms, jittered
    house.hang_up(call_id)
    house.ended(call_id)


def test_frames_that_are_no_protocol_are_a_drop(house: House, player: Player) -> None:
    compressed = Attach(
        frames=[SPEECH], wire=b"\xc1\x05hello"
    )  # RSV1 without an agreement: a bomb in the making
    call_id, _ = open_call(house, player, compressed, Attach(frames=[LATER]))

    until(lambda: len(house.events(call_id, source="upstream")) == 2, "the event behind it")

    assert noted(house, call_id, "observer.detached")[0]["code"] == 1002
    house.hang_up(call_id)
    house.ended(call_id)
