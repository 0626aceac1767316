"""One response at a time, whoever asks."""

from __future__ import annotations

import random
from typing import Any

from realtime.client_events import TAG
from realtime.floor import Floor


def created(id: str, tag: str | None = None, conversation: str | None = "conv_1") -> dict[str, Any]:
    metadata = {TAG: tag} if tag else None
    return {
        "type": "response.created",
        "response": {"id": id, "conversation_id": conversation, "metadata": metadata},
    }


def done(id: str, tag: str | None = None) -> dict[str, Any]:
    return created(id, tag) | {"type": "response.done"}


def test_it_is_free_until_somebody_speaks_and_again_when_he_is_done() -> None:
    floor = Floor()
    assert floor.is_free
    floor.hear(created("resp_1"))
    assert not floor.is_free and floor.active == "resp_1"
    floor.hear(done("resp_0"))
    assert not floor.is_free
    floor.hear(done("resp_1"))
    assert floor.is_free


def test_who_has_asked_waits_for_his_own_answer() -> None:
    floor = Floor()
    floor.ask("cmd_1")
    assert not floor.is_free
    floor.hear(created("resp_1"))  # voice detection was faster
    floor.hear(done("resp_1"))
    assert not floor.is_free
    floor.hear(
        {"type": "error", "error": {"event_id": "cmd_1", "code": "conversation_already_has_active_response"}}
    )
    assert floor.is_free
    floor.ask("cmd_1")
    floor.hear(created("resp_2", "cmd_1"))
    floor.hear(done("resp_2", "cmd_1"))
    assert floor.is_free


def test_a_response_out_of_band_takes_nobodys_turn() -> None:
    floor = Floor()
    floor.hear(created("resp_1", conversation=None))
    assert floor.is_free


def test_what_is_heard_by_the_caller_is_known_until_it_is_over() -> None:
    floor = Floor()
    floor.hear({"type": "output_audio_buffer.started", "response_id": "resp_1"})
    assert floor.audible == "resp_1" and floor.is_free
    floor.hear({"type": "output_audio_buffer.cleared", "response_id": "resp_1"})
    assert floor.audible is None


def test_a_lost_line_does_not_silence_us_for_ever() -> None:
    floor = Floor()
    floor.hear(created("resp_1"))
    floor.ask("cmd_1")
    floor.lost()
    assert floor.is_free


def test_whatever_comes_it_raises_nothing() -> None:
    seed = random.randrange(2**32)
    chance, floor = random.Random(seed), Floor()
    odd: list[Any] = [None, 7, "x", [], {}, {"id": 3}, {"metadata": []}, {"metadata": {TAG: 4}}]
    types = ["response.created", "response.done", "error", "output_audio_buffer.started", None, 5]
    for _ in range(2_000):
        members = {name: chance.choice(odd) for name in ("response", "error", "response_id")}
        floor.hear({"type": chance.choice(types)} | members)
    assert isinstance(floor.is_free, bool), f"seed {seed}"


def test_somebody_of_whom_nothing_was_heard_is_waited_for_until_a_response_is_done() -> None:
    floor = Floor()
    floor.ask("cmd_1")
    floor.hear({"type": "error", "error": {"event_id": "cmd_1"}})
    floor.is_taken()
    assert not floor.is_free
    floor.hear(done("resp_7"))
    assert floor.is_free
