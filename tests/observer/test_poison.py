"""Whatever comes on a sideband is kept as it came, harms nothing beside it, and is read as plain JSON."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec
import pytest

from tests.observer.poison import SIZE, corpus
from tests.observer.scenes import OFFER
from tests.observer.test_recordings import frames_of
from tests.player import Attach, Player, Scenario
from tests.processes import House

SEED = 20261126
GOOD_EVERY = 20


def strictly(raw: bytes) -> Any:
    """Plain JSON for everybody: for Python's reader without its kindness, and for one that takes no half of a pair."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(raw.decode(), parse_constant=refuse) == msgspec.json.decode(raw)
    return json.loads(raw)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, player: Player
) -> Iterator[House]:
    with contextlib.ExitStack() as stack:
        more = {}
        if request.param == "postgresql":
            more["DATABASE_URL"] = stack.enter_context(request.getfixturevalue("postgres").fresh())
        built = House.build(tmp_path_factory.mktemp("poisoned"), player.url, **more).start()
        stack.callback(built.stop)
        yield built


@pytest.fixture(scope="module")
def frames() -> list[bytes]:
    """The corpus, and between its frames a good recording."""
    print(f"seed {SEED}")
    bad, good = corpus(SEED), [frame.encode() for frame in frames_of("azure_sideband_text_turn")]
    places = [[*good[n : n + 1], *bad[n * 10 : n * 10 + 10]] for n in range(SIZE // 10)]
    return [*itertools.chain.from_iterable(places), *good[SIZE // 10 :]]


@pytest.fixture(scope="module")
def poisoned(house: House, player: Player, frames: list[bytes]) -> str:
    """A call that heard all of it."""
    player.expect(Scenario([Attach(frames=list(frames), close=(1000, ""))]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.ended(call_id)
    return call_id


def test_everything_is_kept_exactly_as_it_came_and_in_order(
    house: House, poisoned: str, frames: list[bytes]
) -> None:
    answer = house.get(f"/calls/{poisoned}/events", params={"limit": 1000, "source": "upstream"})
    shown = strictly(answer.content)["events"]
    assert len(shown) == len(frames)
    for frame, event in zip(frames, shown, strict=True):
        if "parse_error" in event:
            assert base64.b64decode(event["raw"]) == frame
        else:
            assert "raw" not in event and event["event"] == json.loads(frame)
    assert sum("parse_error" in event for event in shown) >= SIZE // 2
    assert house.alive()


def test_every_way_of_reading_the_call_is_plain_json_or_plain_text(house: House, poisoned: str) -> None:
    lines = house.get(f"/calls/{poisoned}/events", params={"format": "ndjson"}).content.splitlines()
    assert len([strictly(line) for line in lines]) > SIZE
    for path in ("", "/transcript"):
        strictly(house.get(f"/calls/{poisoned}{path}").content)
    strictly(house.get("/calls").content)
    for form in ("text", "vtt"):
        assert house.get(f"/calls/{poisoned}/transcript", params={"format": form}).content.decode()
    assert house.get("/calls", params={"format": "csv"}).content.decode()
    assert house.get("/call.html", params={"id": poisoned}).ok


def test_the_good_events_between_mean_what_they_always_mean(house: House, poisoned: str) -> None:
    turns = [turn["text"] for turn in house.call(poisoned)["turns"]]
    assert "Say hello." in turns and "Hello there!" in turns


@pytest.mark.parametrize(
    ("frame", "event", "fault"),
    [
        (b'{"type": "x", "event_id": "e", "s": "\\u0000 \\ud83d\\ude00"}', None, None),
        (b'{"type": "x"}', None, None),
        (b"\xff", {"type": "unreadable"}, "not_utf8"),
        (b"{", {"type": "unreadable"}, "not_json"),
        (b"[]", {"type": "unreadable"}, "not_an_object"),
        (b'{"type":"x","n":' + b"[" * 100_000, {"type": "unreadable"}, "too_deep"),
        (b'{"type":"x","n":NaN}', {"type": "x", "n": None}, "not_finite"),
        (b'{"type":"x","n":' + b"9" * 21 + b"}", {"type": "x", "n": None}, "huge_number"),
        (b'{"type":"x","n":' + b"9" * 20 + b"}", None, None),
        (b'{"type":"x","s":"\\ud800"}', {"type": "x", "s": "\ufffd"}, "lone_surrogate"),
        (b'{"type":"x","n":1,"n":2}', {"type": "x", "n": 2}, "duplicate_keys"),
        (b'{"type":7}', {"type": 7}, "no_type"),
        (b'{"type":"x","event_id":7}', {"type": "x", "event_id": 7}, "odd_event_id"),
    ],
)
def test_what_is_wrong_is_named(
    house: House, player: Player, frame: bytes, event: dict[str, Any] | None, fault: str | None
) -> None:
    player.expect(Scenario([Attach(frames=[frame], close=(1000, ""))]))
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.ended(call_id)
    (shown,) = house.events(call_id, source="upstream")
    assert shown["event"] == (json.loads(frame) if event is None else event)
    assert shown.get("parse_error") == fault
    assert base64.b64decode(shown["raw"]) == frame if fault else "raw" not in shown
