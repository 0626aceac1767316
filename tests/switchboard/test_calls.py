"""`switchboard calls` as it is typed: against a real web, a real observer, an upstream that does what it is asked."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.observer.scenes import OFFER
from tests.processes import ROOT, Emulator, House, Process, clean_environment, until

SILENT = ("--events-only", "--events-per-second", "0.001")
KEY = "ab" * 32
HOSTILE = "\x1b]0;owned\x07\x1b[2J<img onerror=x>\r\nlevel=fatal \u202eesrever \u2028 =1+1"


@pytest.fixture(scope="module")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator.start(tmp_path_factory.mktemp("far_end"), *SILENT)
    yield running
    running.process.stop()


@pytest.fixture(scope="module")
def switchboard(tmp_path_factory: pytest.TempPathFactory, far_end: Emulator) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("typed")
    built = House.build(folder, far_end.url, SWITCHBOARD_SEAL_KEY=KEY).start()
    yield built
    built.stop()


@pytest.fixture
def call_id(switchboard: House) -> Iterator[str]:
    opened = switchboard.connect(OFFER).headers["X-Call-Id"]
    switchboard.observed(opened)
    yield opened
    switchboard.hang_up(opened)


def typed(house: House, *words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """What comes of `switchboard calls` and these words."""
    environ = clean_environment(house.folder) | {"SWITCHBOARD_URL": house.url, **more}
    return subprocess.run(
        [sys.executable, "-m", "switchboard", "calls", *words],
        env=environ, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def answered(house: House, *words: str, status: int = 0, **more: str) -> Any:
    """Its JSON."""
    ran = typed(house, *words, "--json", **more)
    assert (ran.returncode, ran.stderr) == (status, ""), ran.stdout + ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("words", "type", "upstream"),
    [
        (("say", "Good day."), "say", "response.create"),
        (("whisper", "Offer a discount."), "whisper", "conversation.item.create"),
        (("instructions", "Speak like a pirate."), "instructions", "session.update"),
        (("mute",), "mute", "session.update"),
        (("unmute",), "unmute", "session.update"),
        (("interrupt",), "interrupt", None),
    ],
)
def test_what_is_typed_is_done_on_the_call_and_its_end_is_waited_for(
    switchboard: House,
    far_end: Emulator,
    call_id: str,
    words: tuple[str, ...],
    type: str,
    upstream: str | None,
) -> None:
    done = answered(switchboard, words[0], call_id, *words[1:])
    assert (done["type"], done["state"], done["by"]) == (type, "confirmed", "loopback")
    ledger = far_end.call(switchboard.call(call_id)["upstream_call_id"])["client_events"]
    sent = [one["type"] for one in ledger if one["event_id"] == done["command_id"]]
    assert sent == ([upstream] if upstream else [])


def test_the_same_id_has_one_effect(switchboard: House, far_end: Emulator, call_id: str) -> None:
    for _ in range(2):
        ran = typed(switchboard, "whisper", call_id, "-", "--id", "mine-1", stdin="From standard input.")
        assert (ran.returncode, ran.stdout) == (0, "whisper confirmed.\n"), ran.stderr
    ledger = far_end.call(switchboard.call(call_id)["upstream_call_id"])["client_events"]
    assert [one["event_id"] for one in ledger] == ["mine-1"]
    other = typed(switchboard, "whisper", call_id, "Something else.", "--id", "mine-1")
    assert other.returncode == 2 and "[id_reused]" in other.stderr


def test_hanging_up_is_waited_for_and_afterwards_nothing_can_be_asked(
    switchboard: House, call_id: str
) -> None:
    ran = typed(switchboard, "hangup", call_id)
    assert (ran.returncode, ran.stdout) == (0, "hang_up confirmed (call_ended).\n"), ran.stderr
    late = typed(switchboard, "say", call_id, "Hello?")
    assert (late.returncode, late.stdout) == (2, "")
    assert late.stderr == (
        "switchboard: The call is over; nothing can be sent on it any more. [call_ended]\n"
    )
    shown = typed(switchboard, "show", call_id)
    assert "operator_hung_up (stated)" in shown.stdout and "hang_up" in shown.stdout


def test_a_command_that_nobody_sends_is_no_success(switchboard: House, call_id: str) -> None:
    answered(switchboard, "mute", call_id)
    waiting = typed(switchboard, "say", call_id, "Hello?", "--wait", "0", "--id", "later")
    assert waiting.returncode == 3
    assert waiting.stdout.startswith("say still queued after 0 s; ask again with --id later")


def test_the_list_and_one_call_are_shown_to_people_and_to_programs(switchboard: House, call_id: str) -> None:
    table = typed(switchboard, "ls", "--state", "observed").stdout.splitlines()
    assert table[0].split()[:2] == ["CALL", "BEGAN"]
    assert [line.split()[0] for line in table[1:]] == [call_id]
    listed = answered(switchboard, "ls", "--limit", "1")
    assert [one["id"] for one in listed["calls"]] == [call_id]
    assert answered(switchboard, "show", call_id)["id"] == call_id
    wrong = typed(switchboard, "ls", "--state", "asleep")
    assert wrong.returncode == 2 and "'state' is wrong" in wrong.stderr and "[bad_query]" in wrong.stderr


def test_tail_follows_a_call_to_its_end(switchboard: House, call_id: str, tmp_path: Path) -> None:
    environ = clean_environment(tmp_path) | {"SWITCHBOARD_URL": switchboard.url}
    followers = {
        form: Process.start(
            f"tail{form}", ["-m", "switchboard", "calls", "tail", call_id, *form], environ, tmp_path
        )
        for form in ((), ("--json", "-n", "1000"))
    }
    switchboard.settled(
        call_id, switchboard.command(call_id, {"type": "whisper", "text": HOSTILE}).json()["command_id"]
    )
    until(lambda: all("item.create" in one.said() for one in followers.values()), "the command in both tails")
    switchboard.hang_up(call_id)
    switchboard.ended(call_id)
    assert [one.child.wait(20) for one in followers.values()] == [0, 0]
    plain, lines = (one.said() for one in followers.values())
    assert [json.loads(line) for line in lines.splitlines()] == switchboard.events(call_id)
    assert "observer.command" in plain and "> conversation.item.create  “\\x1b]0;owned" in plain
    assert not {"\x1b", "\x07", "\r", "\u202e", "\u2028"} & set(plain + lines)


def test_ctrl_c_ends_a_tail_without_a_word(switchboard: House, call_id: str, tmp_path: Path) -> None:
    environ = clean_environment(tmp_path) | {"SWITCHBOARD_URL": switchboard.url}
    tail = Process.start("tail", ["-m", "switchboard", "calls", "tail", call_id], environ, tmp_path)
    until(lambda: "observer.attached" in tail.said(), "the events so far")
    assert tail.stop(signal.SIGINT) == 0
    assert "Traceback" not in tail.said() and "Aborted" not in tail.said()


def test_what_was_said_moves_no_terminal(switchboard: House, call_id: str) -> None:
    answered(switchboard, "whisper", call_id, HOSTILE)
    shown = typed(switchboard, "show", call_id)
    assert "\\x1b]0;owned\\x07\\x1b[2J<img onerror=x>" in shown.stdout
    assert not {"\x1b", "\x07", "\u202e", "\u2028"} & set(shown.stdout)
    for form in ("show", "ls", "tail"):
        words = (form, call_id) if form == "show" else ("ls",)
        ran = typed(switchboard, *words, "--json")
        assert not {"\x1b", "\x07", "\u202e", "\u2028"} & set(ran.stdout)


@pytest.mark.parametrize("form", ["ndjson", "text", "vtt", "json"])
def test_an_export_is_the_file_that_the_api_gives(
    switchboard: House, call_id: str, form: str, tmp_path: Path
) -> None:
    answered(switchboard, "whisper", call_id, "Offer a discount.")
    switchboard.hang_up(call_id)
    switchboard.ended(call_id)
    place = "events" if form == "ndjson" else "transcript"
    given = switchboard.get(f"/calls/{call_id}/{place}?format={form}").text
    assert typed(switchboard, "export", call_id, "--format", form).stdout == given.replace("\r\n", "\n")
    file = tmp_path / "kept"
    ran = typed(switchboard, "export", call_id, "--format", form, "-o", str(file))
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert file.read_text() == given and file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    nowhere = typed(switchboard, "export", call_id, "-o", str(tmp_path / "no" / "where"))
    assert nowhere.returncode == 2 and "choose another place" in nowhere.stderr


def test_a_grant_goes_along_as_a_bearer_and_trouble_is_one_sentence(switchboard: House) -> None:
    away = typed(switchboard, "ls", SWITCHBOARD_URL="http://127.0.0.1:9")
    assert away.returncode == 2 and away.stderr.startswith(
        "switchboard: nothing answers at http://127.0.0.1:9 ("
    )
    assert typed(switchboard, "ls", SWITCHBOARD_URL="here").returncode == 2
    unknown = typed(switchboard, "show", "call_of_nobody")
    assert (unknown.returncode, unknown.stdout) == (2, "") and "[no_such_call]" in unknown.stderr
    missing = typed(switchboard, "say", "call_of_nobody")
    assert missing.returncode == 2 and "Missing argument" in missing.stderr


def recorded(house: House, call_id: str) -> dict[str, Any]:
    """The call, over and sealed."""
    house.hang_up(call_id)
    return house.ended(call_id)


def test_over_http_alone_a_record_is_held_to_its_head_and_no_more(switchboard: House, call_id: str) -> None:
    seal = recorded(switchboard, call_id)["seal"]
    head = f"{seal['seq']}:{seal['head']}"
    found = answered(switchboard, "verify", call_id, "--head", head, status=3)
    assert (found["outcome"], found["head"], found["walked"]) == ("untold", head, False)
    assert "is the one that was kept; no event is missing; the chain was not walked" in found["sentence"]
    other = answered(switchboard, "verify", call_id, "--head", f"{seal['seq']}:{'0' * 32}", status=1)
    assert "is not the one whose head was kept" in other["sentence"]
    longer = answered(switchboard, "verify", call_id, "--head", f"{seal['seq'] + 1}:{seal['head']}", status=1)
    assert "the record ends before" in longer["sentence"]
    nonsense = typed(switchboard, "verify", call_id, "--head", "nonsense")
    assert nonsense.returncode == 2 and "write SEQ:HEX" in nonsense.stderr


def test_beside_the_store_the_chain_is_walked_through_the_head(switchboard: House, call_id: str) -> None:
    recorded(switchboard, call_id)
    beside = {name: switchboard.environ[name] for name in ("DATABASE_URL", "SWITCHBOARD_SEAL_KEY")}
    found = json.loads(typed(switchboard, "verify", call_id, "--json", **beside).stdout)
    assert (found["outcome"], found["walked"]) == ("fits", True)
    with sqlite3.connect(switchboard.folder / "calls.db") as db:
        db.execute("UPDATE events SET type = 'forged' WHERE seq = 2 AND number = "
                   "(SELECT number FROM calls WHERE call_id = ?)", (call_id,))  # fmt: skip
    db.close()
    forged = typed(switchboard, "verify", call_id, **beside)
    assert (
        forged.returncode == 1
        and "does not fit: event 2: this event does not fit the one before it" in forged.stdout
    )
    assert typed(switchboard, "verify", call_id, **beside | {"SWITCHBOARD_SEAL_KEY": "x"}).returncode == 2
