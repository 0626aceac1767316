"""One call that says too much, beside one that says little."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observer.scenes import OFFER, SPEECH, noted, open_call
from tests.observer.test_drops import told
from tests.player import Attach, Player, Scenario
from tests.processes import House, until

STRICT = (
    "from observer.__main__ import main; from observer.limits import Limits; "
    "main(Limits(events_per_second=200, burst_seconds=1, bytes_per_second=200_000, call_max_bytes=200_000, "
    "call_waiting_max_bytes=50_000, waiting_max_bytes=200_000, close=0.5, close_after_hang_up=0.5))"
)
MEBIBYTE = 1024 * 1024
ENDLESS = b"\x01\x01x" + b"\x00\x01x" * 100_000
"""A message in frames of one letter, and no end of it."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, player: Player) -> Iterator[House]:
    built = House.build(tmp_path_factory.mktemp("strict"), player.url)
    built.start_observer("-c", STRICT)
    built.start_web()
    built.ready()
    yield built
    built.stop()


@pytest.fixture
def quiet(strict: House, player: Player) -> Iterator[tuple[str, Scenario]]:
    call_id, scenario = open_call(strict, player, Attach(frames=[SPEECH]))
    strict.observed(call_id)
    yield call_id, scenario
    strict.hang_up(call_id)
    strict.ended(call_id)
    assert told(strict, call_id) == ["attached", "hang_up", "detached", "ended"]


def talk(house: House, player: Player, quiet: tuple[str, Scenario], turns: int) -> None:
    """Say something on the quiet call, so many times, each when the last is in the log."""
    call_id, scenario = quiet
    before = len(house.events(call_id, source="upstream"))
    for n in range(before, before + turns):
        player.say(scenario, json.dumps({"type": "x", "event_id": f"q{n}"}))
        until(lambda n=n: len(house.events(call_id, source="upstream")) > n, "what was said")  # type: ignore[misc]


def peak(house: House) -> int:
    """The most memory that the observer ever had, in bytes."""
    status = Path(f"/proc/{house.observers[0].child.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_a_flood_is_held_back_on_its_own_socket_and_no_other_call_feels_it(
    strict: House, player: Player, quiet: tuple[str, Scenario]
) -> None:
    before = peak(strict)
    flood = [json.dumps({"type": "x", "event_id": f"f{n}", "x": "x" * 20_000}) for n in range(5_000)]
    call_id, scenario = open_call(strict, player, Attach(frames=[SPEECH, *flood]))
    until(lambda: strict.events(call_id, source="upstream"), "the flood's beginning")

    talk(strict, player, quiet, 50)

    assert 0 < scenario.sent < len(flood), "the flood was not held back"
    assert peak(strict) - before < 64 * MEBIBYTE
    strict.hang_up(call_id)
    strict.ended(call_id)


def test_behind_its_budget_a_call_is_recorded_in_numbers_only(
    strict: House, player: Player, quiet: tuple[str, Scenario]
) -> None:
    events = [json.dumps({"type": "x", "event_id": f"f{n}", "x": "x" * 10_000}) for n in range(30)]
    done = json.dumps(
        {"type": "response.done", "event_id": "d", "response": {"id": "r", "usage": {"total_tokens": 7}}}
    )
    call_id, _ = open_call(strict, player, Attach(frames=[SPEECH, *events, done], close=(1000, "")))

    talk(strict, player, quiet, 5)
    call = strict.ended(call_id)

    kept = strict.events(call_id, source="upstream", type="x")
    assert [event["event"]["event_id"] for event in kept] == [f"f{n}" for n in range(len(kept))]
    assert 15 <= len(kept) < 20
    assert call["summary"]["usage"]["total_tokens"] == 7
    assert call["end"]["reason"] == "caller_hung_up"
    assert told(strict, call_id)[:4] == ["attached", "truncated", "gap truncated", "detached"]
    (gap,) = noted(strict, call_id, "observer.gap")
    lost = events[len(kept) :]
    assert (gap["events"], gap["bytes"]) == (len(lost), sum(map(len, lost)))


def test_the_next_attach_does_not_begin_a_new_budget(strict: House, player: Player) -> None:
    events = [json.dumps({"type": "x", "event_id": f"f{n}", "x": "x" * 10_000}) for n in range(30)]
    call_id, _ = open_call(
        strict,
        player,
        Attach(frames=[SPEECH, *events], close=(1011, "")),
        Attach(frames=[events[-1]], close=(1000, "")),
    )
    strict.ended(call_id)
    assert told(strict, call_id).count("truncated") == 1
    assert len(strict.events(call_id, source="upstream", type="x")) < 20


@pytest.mark.parametrize(
    "hostile",
    [
        Attach(frames=[SPEECH], wire=b"\x81\x7f" + (1 << 30).to_bytes(8) + b"x" * (32 * MEBIBYTE)),
        Attach(frames=[SPEECH], wire=ENDLESS),
        Attach(frames=[SPEECH], wire=b"\xc1\x7f" + (1 << 30).to_bytes(8)),
        Attach(frames=[SPEECH, *[b'{"type":"x","n":' + b"[" * MEBIBYTE] * 2]),
    ],
    ids=["a frame of 1 GiB", "endless fragments", "compressed", "deep JSON"],
)
def test_whatever_it_sends_memory_stays_and_others_are_heard(
    strict: House, player: Player, quiet: tuple[str, Scenario], hostile: Attach
) -> None:
    before = peak(strict)
    player.expect(Scenario([hostile, Attach(frames=['{"type": "x", "event_id": "next"}'])]))
    call_id = strict.connect(OFFER).headers["X-Call-Id"]
    strict.observed(call_id)

    talk(strict, player, quiet, 10)

    assert peak(strict) - before < 64 * MEBIBYTE
    strict.hang_up(call_id)
    strict.ended(call_id)
