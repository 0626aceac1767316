"""What becomes of a record, with real processes: sealed across holders, shown in part, kept for its days, erased."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.events import WEBRTC_FILTER_ALLOWED
from tests.observer.scenes import OFFER, SPEECH
from tests.observer.test_recordings import frames_of
from tests.player import Attach, Player, Scenario
from tests.processes import ROOT, House, until

KEY = "5e" * 32


@pytest.fixture
def sealed_house(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "sealed", player.url, SWITCHBOARD_SEAL_KEY=KEY).start()
    yield built
    assert KEY not in built.logs() and "events_unsealed" not in built.logs()
    built.stop()


def verify(house: House, *arguments: str, key: str = KEY) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "call_log", "verify", *arguments],
        env={**house.environ, "SWITCHBOARD_SEAL_KEY": key},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def files_of(house: House) -> bytes:
    """Everything that the database's files hold."""
    return b"".join(file.read_bytes() for file in house.folder.glob("calls.db*") if file.is_file())


def execute(house: House, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    db = sqlite3.connect(house.folder / "calls.db", timeout=20)
    try:
        with db:
            return db.execute(statement, parameters).fetchall()
    finally:
        db.close()


def over(house: House, player: Player, *frames: str | bytes) -> str:
    """A call in which the upstream said this, and that has ended; returns its id."""
    player.expect(Scenario([Attach(frames=list(frames), close=(1000, ""))]))
    call_id = str(house.connect(OFFER).headers["X-Call-Id"])
    house.ended(call_id)
    return call_id


def test_a_killed_holders_chain_is_continued_by_the_next_one(sealed_house: House, player: Player) -> None:
    after = '{"type": "after", "event_id": "2"}'
    player.expect(Scenario([Attach(frames=[SPEECH]), Attach(frames=[after], close=(1000, ""))]))
    call_id = sealed_house.connect(OFFER).headers["X-Call-Id"]
    until(lambda: sealed_house.events(call_id, source="upstream"), "the first event")
    early = sealed_house.call(call_id)["seal"]

    first = sealed_house.observers.pop()
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    sealed_house.start_observer()

    call = sealed_house.ended(call_id)
    assert (
        sealed_house.events(call_id, type="after") and call["seal"]["seq"] == call["last_seq"] > early["seq"]
    )
    assert verify(sealed_house)[0] == 0, verify(sealed_house)
    for head in (early, call["seal"]):
        assert verify(sealed_house, call_id, "--head", f"{head['seq']}:{head['head']}")[0] == 0
    status, said = verify(sealed_house, key="11" * 32)
    assert (status, said.splitlines()[0][: len(call_id) + 6]) == (1, f"{call_id} seq 1")


def test_each_event_is_stored_with_its_place_in_the_browsers_view(
    sealed_house: House, player: Player
) -> None:
    over(sealed_house, player, *frames_of("azure_voice_turn"))
    rows = execute(sealed_house, "SELECT source, type, browser FROM events")
    assert len(rows) > 20
    for source, type_, browser in rows:
        assert bool(browser) is (source == "upstream" and type_ in WEBRTC_FILTER_ALLOWED), (source, type_)
    assert {bool(browser) for _, _, browser in rows} == {True, False}


def test_an_erased_call_is_nowhere_in_the_files_and_its_chain_still_fits(
    sealed_house: House, player: Player
) -> None:
    said = '{"type": "response.output_text.done", "event_id": "e1", "text": "W0RDGONE"}'
    gone = over(sealed_house, player, *[said.replace("e1", f"e{n}") for n in range(500)])
    kept = over(sealed_house, player, said.replace("GONE", "KEPT"))
    assert b"W0RDGONE" in files_of(sealed_house)

    assert sealed_house.erase(gone).status_code == 202
    until(lambda: sealed_house.erase(gone).status_code == 200, "the erasure's end")

    assert b"W0RDGONE" not in files_of(sealed_house) and b"W0RDKEPT" in files_of(sealed_house)
    shown = sealed_house.call(gone)
    assert (shown["turns"], shown["erased"]["by"], shown["erased"]["complete"]) == ([], "loopback", True)
    assert {event["event"] is None for event in sealed_house.events(gone)} == {True}
    assert sealed_house.call(kept)["erased"] is None
    status, told = verify(sealed_house)
    assert (status, "2 call(s) fit, 0 do not; 1 of them erased" in told) == (0, True), told
    until(
        lambda: '"event": "calls_erased", "calls": 1, "expired": 0' in sealed_house.logs(),
        "its line in the log",
    )


def test_calls_go_when_their_days_are_over(sealed_house: House, player: Player) -> None:
    said = '{"type": "x", "text": "W0RDEXPIRED"}'
    expired = [over(sealed_house, player, said) for _ in range(3)]
    kept = over(sealed_house, player, said.replace("EXPIRED", "STAYS"))
    assert sealed_house.call(kept)["keep_until"] is None
    for call_id in expired:
        execute(sealed_house, "UPDATE calls SET keep_until = 1 WHERE call_id = ?", call_id)

    def gone(call_id: str) -> bool:
        erased = sealed_house.call(call_id)["erased"]
        return erased is not None and erased["complete"]

    until(lambda: all(gone(call_id) for call_id in expired), "the end of their days")

    assert sealed_house.call(expired[0])["erased"]["by"] == "retention"
    assert b"W0RDEXPIRED" not in files_of(sealed_house) and b"W0RDSTAYS" in files_of(sealed_house)
    assert sealed_house.call(kept)["erased"] is None


def test_a_profiles_days_are_written_on_its_calls(tmp_path: Path, player: Player) -> None:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('[default]\nmodel = "m"\ntranscription = false\nretention_days = 7\n')
    house = House.build(tmp_path / "kept", player.url, SWITCHBOARD_PROFILES=str(profiles)).start()
    try:
        over(house, player)
        ((days,),) = execute(house, "SELECT (keep_until - ended_at) / 86400000.0 FROM calls")
        assert days == 7
        assert '"event": "events_unsealed"' in house.logs()
        assert execute(house, "SELECT count(link) FROM events") == [(0,)]
    finally:
        house.stop()


@pytest.mark.parametrize("key", ["short", "ü" * 50])
def test_a_key_that_is_none_stops_the_observer_with_a_sentence(
    tmp_path: Path, player: Player, key: str
) -> None:
    house = House.build(tmp_path / "wrong", player.url)
    done = subprocess.run(
        [sys.executable, "-m", "observer"],
        env={**house.environ, "SWITCHBOARD_SEAL_KEY": key},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("switchboard: SWITCHBOARD_SEAL_KEY must be at least 32 random bytes")
    assert key not in done.stderr and done.stderr.count("\n") == 1
