"""Verification: each damage is done on the file itself, past all of our code, and named with call and place."""

import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from call_log import erasure, verify
from call_log.__main__ import main
from call_log.call import Call
from call_log.seal import Seal
from call_log.store import Store
from tests.call_log.conftest import file_url
from tests.call_log.sealed import AT, KEY, SEAL, dial_and_claim, end, ended, find, some_bodies, write

ROOT = Path(__file__).parents[2]
EVENTS = 8


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file: what is told here is SQLite's alone."""
    return file_url(tmp_path)


@pytest.fixture
def run(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """`python -m call_log verify`: its status and what it said."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("SWITCHBOARD_SEAL_KEY", KEY)

    def verify_(*arguments: str) -> tuple[int, str]:
        status = main(["verify", *arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return verify_


def damage(url: str, statement: str, *parameters: object) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
        assert db.execute(statement, parameters).rowcount > 0
    db.close()


DAMAGES = {
    "a flipped byte": ("UPDATE events SET body = x'ff' WHERE number = :n AND seq = 4", 4),
    "another event id": ("UPDATE events SET event_id = 'e_9' WHERE number = :n AND seq = 4", 4),
    "no event id": ("UPDATE events SET event_id = NULL WHERE number = :n AND seq = 4", 4),
    "another time": ("UPDATE events SET at = at + 1 WHERE number = :n AND seq = 4", 4),
    "another source": ("UPDATE events SET source = 'browser' WHERE number = :n AND seq = 4", 4),
    "another type": ("UPDATE events SET type = 'type.9' WHERE number = :n AND seq = 4", 4),
    "shown to the browser": ("UPDATE events SET browser = 1 WHERE number = :n AND seq = 4", 4),
    "another digest": ("UPDATE events SET digest = x'00' WHERE number = :n AND seq = 4", 4),
    "another link": ("UPDATE events SET link = x'00' WHERE number = :n AND seq = 4", 4),
    "no link": ("UPDATE events SET link = NULL WHERE number = :n AND seq = 4", 4),
    "all links gone": ("UPDATE events SET link = NULL, digest = NULL WHERE number = :n", 1),
    "a row deleted": ("DELETE FROM events WHERE number = :n AND seq = 4", 4),
    "the first deleted": ("DELETE FROM events WHERE number = :n AND seq = 1", 1),
    "the last deleted": ("DELETE FROM events WHERE number = :n AND seq = 8", 8),
    "the tail cut off": ("DELETE FROM events WHERE number = :n AND seq > 5", 6),
    "every event deleted": ("DELETE FROM events WHERE number = :n", 1),
    "a row put behind": (
        "INSERT INTO events SELECT number, 9, at, source, type, event_id, body, browser, digest, link "
        "FROM events WHERE number = :n AND seq = 8", 9),
    "the head replaced": ("UPDATE calls SET head = x'00112233445566778899aabbccddeeff' WHERE number = :n", 8),
    "the head removed": ("UPDATE calls SET head = NULL WHERE number = :n", 8),
    "the salt replaced": ("UPDATE calls SET salt = x'00' WHERE number = :n", 1),
    "the salt removed": ("UPDATE calls SET salt = NULL WHERE number = :n", 1),
    "bodies gone without an erasure": ("UPDATE events SET body = x'' WHERE number = :n AND seq > 2", 3),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_it_names_call_and_place_of_a_damage(
    store: Store, url: str, run: Callable[..., tuple[int, str]], kind: str
) -> None:
    before, call, behind = (ended(store, [b"%d" % n for n in range(EVENTS)]) for _ in range(3))
    assert run() == (0, "call_log: 3 call(s) fit, 0 do not; 0 of them erased; 24 event(s) read\n")
    statement, place = DAMAGES[kind]
    damage(url, statement.replace(":n", "?"), call.number)

    status, said = run()

    assert status == 1
    assert said.startswith(f"{call.call_id} seq {place}: "), said
    assert "2 call(s) fit, 1 do not" in said
    assert before.call_id not in said and behind.call_id not in said
    assert run(before.call_id)[0] == 0
    assert run(call.call_id)[0] == 1


@pytest.mark.parametrize("what", ["seq", "body"])
def test_it_sees_two_events_that_changed_places(
    store: Store, url: str, run: Callable[..., tuple[int, str]], what: str
) -> None:
    call = ended(store, [b"%d" % n for n in range(EVENTS)])
    if what == "seq":
        for old, new in ((3, 99), (6, 3), (99, 6)):
            damage(url, "UPDATE events SET seq = ? WHERE number = ? AND seq = ?", new, call.number, old)
    else:
        damage(
            url,
            "UPDATE events SET body = (SELECT other.body FROM events other WHERE other.number = events.number "
            "AND other.seq = 9 - events.seq) WHERE number = ? AND seq IN (3, 6)",
            call.number,
        )
    status, said = run()
    assert status == 1
    assert said.startswith(f"{call.call_id} seq 3: ")


def test_it_sees_events_of_one_call_that_were_put_into_another(
    store: Store, url: str, run: Callable[..., tuple[int, str]]
) -> None:
    one, other = ended(store, [b"yes"]), ended(store, [b"no"])
    damage(url, "DELETE FROM events WHERE number = ?", one.number)
    damage(url, "UPDATE events SET number = ? WHERE number = ?", one.number, other.number)
    damage(
        url,
        "UPDATE calls SET salt = (SELECT salt FROM calls c WHERE c.number = ?), head = (SELECT head FROM calls c "
        "WHERE c.number = ?) WHERE number = ?",
        other.number, other.number, one.number,
    )  # fmt: skip
    status, said = run()
    assert status == 1
    assert f"{one.call_id} seq 1: this event does not fit" in said
    assert f"{other.call_id} seq 1: this event is missing" in said


def test_another_key_fits_nothing(store: Store, url: str, run: Callable[..., tuple[int, str]],
                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    call = ended(store, [b"a"])
    monkeypatch.setenv("SWITCHBOARD_SEAL_KEY", "11" * 32)
    status, said = run()
    assert status == 1
    assert f"{call.call_id} seq 1: this event does not fit the one before it" in said


def test_a_head_that_was_published_earlier_shows_a_tail_that_was_cut_off_with_care(
    store: Store, url: str, run: Callable[..., tuple[int, str]]
) -> None:
    call = write(store, dial_and_claim(store), [b"a", b"b", b"c"])
    early = f"{call.last_seq}:{(call.head or b'').hex()}"
    call = end(store, write(store, call, [b"d", b"e"]))
    late = f"{call.last_seq}:{(call.head or b'').hex()}"
    assert run(call.call_id, "--head", early)[0] == run(call.call_id, "--head", late)[0] == 0
    damage(url, "DELETE FROM events WHERE number = ? AND seq > 4", call.number)
    damage(
        url,
        "UPDATE calls SET last_seq = 4, head = (SELECT link FROM events e WHERE e.number = calls.number AND seq = 4) "
        "WHERE number = ?",
        call.number,
    )

    assert run(call.call_id)[0] == 0, "nothing in the database tells"
    assert run(call.call_id, "--head", early)[0] == 0
    status, said = run(call.call_id, "--head", late)
    assert status == 1
    assert f"{call.call_id} seq 5: this event is missing: a head behind it was published" in said
    status, said = run(call.call_id, "--head", f"3:{'00' * 16}")
    assert status == 1
    assert f"{call.call_id} seq 3: this event is not the one whose head was published" in said


def test_erased_calls_fit_and_an_erasure_hides_no_damage(
    store: Store, url: str, run: Callable[..., tuple[int, str]]
) -> None:
    call = ended(store, some_bodies(EVENTS, EVENTS))
    with store.writing() as db:
        erasure.mark(db, call.call_id, by="otto", at=AT)
    assert run() == (0, "call_log: 1 call(s) fit, 0 do not; 1 of them erased; 8 event(s) read\n")
    with store.writing() as db:
        (left,) = erasure.unfinished(db, limit=9)
        erasure.empty_a_stretch(db, left)
    assert run()[0] == 0
    damage(url, "UPDATE events SET body = x'01' WHERE number = ? AND seq = 3", call.number)
    assert f"{call.call_id} seq 3: this event has content" in run()[1]
    damage(url, "UPDATE events SET body = x'', at = at + 1 WHERE number = ? AND seq = 3", call.number)
    assert f"{call.call_id} seq 3: this event does not fit" in run()[1]


def test_a_call_that_is_going_on_fits_as_far_as_it_has_come(
    store: Store, run: Callable[..., tuple[int, str]]
) -> None:
    call = write(store, dial_and_claim(store), [b"a", b"b"])
    dial_and_claim(store)
    assert run() == (0, "call_log: 2 call(s) fit, 0 do not; 0 of them erased; 2 event(s) read\n")
    assert find(store, call).ended_at is None


def test_an_erasure_that_begins_under_its_eyes_is_no_break(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ended(store, [b"a", b"b"])
    page = verify._page

    def page_after_an_erasure(db: object, asked: Call, seq: int) -> object:
        monkeypatch.setattr(verify, "_page", page)
        with store.writing() as writing:
            erasure.mark(writing, call.call_id, by="otto", at=AT)
            erasure.empty_a_stretch(writing, *erasure.unfinished(writing, limit=1))
        with store.reading() as fresh:
            return page(fresh, asked, seq)

    monkeypatch.setattr(verify, "_page", page_after_an_erasure)
    verdict = verify.one(store, SEAL, call.call_id)
    assert verdict == verify.Verdict(call.call_id, 2, erased=True)


def test_its_memory_does_not_grow_with_the_call(store: Store) -> None:
    small, large = (ended(store, [b"x" * 2_000] * count) for count in (2_000, 8_000))

    def peak(call: Call) -> int:
        tracemalloc.start()
        assert verify.one(store, SEAL, call.call_id) == verify.Verdict(
            call.call_id, call.last_seq, erased=False
        )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(small)
    assert peak(large) < peak(small) * 1.5


@pytest.mark.parametrize(
    ("environment", "arguments", "status", "sentence"),
    [
        ({}, [], 1, "SWITCHBOARD_SEAL_KEY is not set"),
        ({"SWITCHBOARD_SEAL_KEY": "short"}, [], 1, "SWITCHBOARD_SEAL_KEY must be at least 32 random bytes"),
        ({"SWITCHBOARD_SEAL_KEY": KEY}, ["--head", "3:aa"], 1, "name that call"),
        ({"SWITCHBOARD_SEAL_KEY": KEY}, ["--head", "x", "call_1"], 2, "write SEQ:HEX"),
        ({"SWITCHBOARD_SEAL_KEY": KEY}, ["call_1"], 1, "no call has this id"),
    ],
)
def test_the_command_says_what_is_wrong_with_the_question(
    url: str, environment: dict[str, str], arguments: list[str], status: int, sentence: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "call_log", "verify", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "DATABASE_URL": url, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stderr and KEY not in done.stdout + done.stderr


def test_a_seal_is_of_many_keys() -> None:
    assert repr(Seal.of(f"{KEY},{KEY}")) == "Seal(…)"
