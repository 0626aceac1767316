"""Erasure: what goes is nowhere in the files, what stays still fits, and nothing comes back."""

import random
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from call_log import calls, erasure, events, inbox, migrations, verify
from call_log.call import Call
from call_log.events import EventRow
from call_log.store import Store
from tests.call_log.conftest import file_url
from tests.call_log.sealed import AT, NODE, SEAL, dial_and_claim, end, ended, find, write

DAY = 24 * 60 * 60 * 1000


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file: what is told here is SQLite's alone."""
    return file_url(tmp_path)


def files_of(url: str) -> bytes:
    """Everything that the database's files hold."""
    path = Path(url.removeprefix("sqlite:///"))
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.is_file())


def erase(store: Store, *marked: Call) -> None:
    """Everything that an observer does, to the end."""
    with store.writing() as db:
        for call in marked:
            erasure.mark(db, call.call_id, by="otto", at=AT)
        left = erasure.unfinished(db, limit=1_000)
    for one in left:
        while not one.is_empty:
            with store.writing() as db:
                one = erasure.empty_a_stretch(db, one)
    assert store.scrub()
    with store.writing() as db:
        erasure.finish(db, [one.number for one in left], at=AT + 5)


def test_the_words_were_in_the_files_and_are_not_any_more(store: Store, url: str) -> None:
    words = [b"W0RDBODY", b"W0RDMETA", b"W0RDREPORT", b"W0RDEVENTID", b"W0RDDETAIL"]
    call = dial_and_claim(store, metadata='{"said": "W0RDMETA"}', consent="v3 yes")
    call = write(store, call, [b'{"text": "W0RDBODY"}' * n for n in (1, 300, 2)])
    with store.writing() as db:
        row = EventRow(call.number, call.last_seq + 1, AT, "upstream", "t", "W0RDEVENTID", b"{}")
        events.append(db, NODE, {call.number: call.epoch}, [row])
        inbox.put(db, call.number, kind="report", by="ada", at=AT, body='{"note": "W0RDREPORT"}')
        failed = calls.dial(db, call_id=calls.new_call_id(), profile="p", model="m", caller="ada", upstream="azure",
                            recording="preferred", metadata=None, consent=None, at=AT)  # fmt: skip
        assert calls.fail(db, failed.call_id, code="x", detail="W0RDDETAIL", at=AT)
    call = end(store, find(store, call))
    other = ended(store, [b"W0RDKEPT"])
    assert all(word in files_of(url) for word in words)
    store.checkpoint()

    erase(store, call, failed)

    held = files_of(url)
    assert [word for word in words if word in held] == []
    assert b"W0RDKEPT" in held
    tombstone, kept = find(store, call), find(store, other)
    assert (tombstone.erased_by, tombstone.erased_at, tombstone.scrubbed_at) == ("otto", AT, AT + 5)
    assert (tombstone.metadata, tombstone.salt, tombstone.consent) == (None, None, "v3 yes")
    assert (tombstone.end_reason, tombstone.last_seq, tombstone.head) == ("unknown", 4, call.head)
    assert (find(store, failed).failure_code, find(store, failed).failure_detail) == ("x", None)
    with store.reading() as db:
        rows = events.after(db, call.number, 0, limit=9)
        assert [(row.seq, row.body, row.event_id) for row in rows] == [(n, b"", None) for n in range(1, 5)]
        assert [row.body for row in events.after(db, other.number, 0, limit=9)] == [b"W0RDKEPT"]
    assert kept.erased_at is None and kept.salt is not None


@pytest.mark.parametrize("go", range(3))
def test_no_copy_stays_behind_where_many_calls_were_written_at_once(
    store: Store, url: str, seed: int, go: int
) -> None:
    """SQLite leaves copies of rows behind when it moves them to other pages; secure_delete does not wipe those."""
    chance, words = random.Random(seed), {}
    going: list[Call] = []
    over: list[Call] = []
    for turn in range(300):
        if turn % 3 == 0 or not going:
            word = f"<w{turn:04d}>"
            call = dial_and_claim(store, metadata=f'{{"word": "{word * chance.choice([1, 20, 90])}"}}')
            words[call.number] = word
            going.append(call)
        place = chance.randrange(len(going))
        going[place] = call = _live_on(store, chance, going[place], words)
        if chance.random() < 0.25:
            over.append(end(store, going.pop(place)))
        if turn % 50 == 0:
            store.checkpoint()
    assert all(words[call.number].encode() in files_of(url) for call in over)
    chance.shuffle(over)
    for half in (over[: len(over) // 2], over[len(over) // 2 :]):
        erase(store, *half)
        held = files_of(url)
        found = set(re.findall(rb"<w\d{4}>", held))
        assert found & {words[call.number].encode() for call in half} == set()
    assert {words[call.number].encode() for call in going} <= found


def _live_on(store: Store, chance: random.Random, call: Call, words: dict[int, str]) -> Call:
    """A few of the things that happen to a call, each of which lengthens some row."""
    word = words[call.number]
    with store.writing() as db:
        inbox.put(
            db,
            call.number,
            kind="report",
            by="ada",
            at=AT,
            body=f'{{"n": "{word * chance.choice([1, 30, 150])}"}}',
        )
        inbox.take(
            db,
            {message.id: call.epoch for message in inbox.waiting(db, NODE) if chance.random() < 0.5},
            at=AT,
        )
        summary = "9" * chance.choice([10, 300, 900])
        assert calls.update_held(db, call.number, call.epoch, NODE, summary=summary, peer_seen_at=AT)
    bodies = [(word * chance.choice([1, 40, 120, 900])).encode() for _ in range(chance.randint(1, 4))]
    return write(store, call, bodies)


def test_a_live_call_is_not_erased_and_an_unknown_one_is_none(store: Store) -> None:
    call = write(store, dial_and_claim(store), [b"a"])
    with store.writing() as db:
        live = erasure.mark(db, call.call_id, by="otto", at=AT)
        assert live is not None and live.erased_at is None and live.salt is not None
        assert erasure.mark(db, calls.new_call_id(), by="otto", at=AT) is None
        assert not erasure.waits(db, at=AT)


def test_the_first_mark_stays(store: Store) -> None:
    call = ended(store, [b"a"])
    with store.writing() as db:
        first = erasure.mark(db, call.call_id, by="otto", at=AT)
        assert erasure.mark(db, call.call_id, by="olga", at=AT + 1) == first
        assert erasure.waits(db, at=AT)


def test_stretches_are_bounded_by_rows_and_bytes_and_two_at_once_share_them(store: Store) -> None:
    call = ended(store, [b"x"] * 450 + [b"y" * 600_000] * 3)
    with store.writing() as db:
        erasure.mark(db, call.call_id, by="otto", at=AT)
        (one,) = erasure.unfinished(db, limit=9)
        ends = []
        other = erasure.empty_a_stretch(db, one)
        assert erasure.empty_a_stretch(db, one) == other, "the stretch is done already: it only learns that"
        while not other.is_empty:
            ends.append(other.erased_seq)
            other = erasure.empty_a_stretch(db, other)
        assert ends == [200, 400, 451, 452]
        assert {row.body for row in events.after(db, call.number, 0, limit=999)} == {b""}


def test_it_is_not_finished_before_all_is_empty(store: Store) -> None:
    call = ended(store, [b"x"])
    with store.writing() as db:
        erasure.mark(db, call.call_id, by="otto", at=AT)
        erasure.finish(db, [call.number], at=AT)
        assert [one.number for one in erasure.unfinished(db, limit=9)] == [call.number]


def test_calls_are_kept_for_their_days_and_not_longer(store: Store, plan: Callable[..., list[str]]) -> None:
    short, long_, for_ever = (ended(store, [b"x"], retention_days=days) for days in (1, 30, None))
    over = AT + 99
    assert (short.keep_until, long_.keep_until, for_ever.keep_until) == (over + DAY, over + 30 * DAY, None)
    with store.writing() as db:
        assert erasure.mark_expired(db, at=over + DAY - 1, limit=9) == 0
        assert not erasure.waits(db, at=over + DAY - 1)
        assert erasure.waits(db, at=over + DAY)
        assert erasure.mark_expired(db, at=over + DAY, limit=9) == 1
        assert erasure.mark_expired(db, at=over + DAY, limit=9) == 0
    assert (find(store, short).erased_by, find(store, long_).erased_at) == ("retention", None)
    steps = plan(lambda db: erasure.waits(db, at=over))
    assert {"ix_calls_keep_until", "ix_calls_being_erased"} <= set(" ".join(steps).split()), steps


def test_every_way_to_end_begins_the_days(store: Store, dial: Any, answered: Any) -> None:
    with store.writing() as db:
        failed, stale = dial(db, retention_days=2), dial(db, retention_days=2)
        calls.fail(db, failed.call_id, code="x", detail=None, at=AT)
        calls.fail_stale_intents(db, older_than=AT + 1, at=AT)
        unheld = answered(db, retention_days=2)
        calls.end_unheld(db, unheld.call_id, reason="unknown", certainty="inferred", at=AT)
        lost = dial(db, retention_days=2)
        calls.answer(db, lost.call_id, upstream_call_id=None, upstream_request_id=None, at=AT)
        calls.end_unreachable(db, older_than=AT + 1, at=AT)
    for call in (failed, stale, unheld, lost):
        assert find(store, call).keep_until == AT + 2 * DAY


def test_a_reader_only_delays_it(store: Store, url: str) -> None:
    call = ended(store, [b"W0RDLATE" * 50])
    with store.writing() as db:
        erasure.mark(db, call.call_id, by="otto", at=AT)
        erasure.empty_a_stretch(db, *erasure.unfinished(db, limit=1))
    with store.reading() as db:
        calls.find(db, call.call_id)
        assert not store.scrub()
        assert b"W0RDLATE" in files_of(url)
    assert store.scrub()
    assert b"W0RDLATE" not in files_of(url)


def test_writers_do_not_stop_for_it_and_lose_nothing(store: Store, url: str) -> None:
    """Another connection writes all the time: what it commits between our steps only makes us try again."""
    busy, gone = dial_and_claim(store), ended(store, [b"W0RDBUSY" * 50])
    stop, written = threading.Event(), []

    def write_on() -> None:
        other, call = Store(url), busy
        while not stop.is_set():
            call = write(other, call, [b"x" * 300] * 5)
            written.append(call.last_seq)
        other.close()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        with store.writing() as db:
            erasure.mark(db, gone.call_id, by="otto", at=AT)
            erasure.empty_a_stretch(db, *erasure.unfinished(db, limit=1))
        tries = next(count for count in range(1, 2_000) if store.scrub())
    finally:
        stop.set()
        writer.join()
    assert tries and b"W0RDBUSY" not in files_of(url)
    verdict = verify.one(store, SEAL, busy.call_id)
    assert verdict == verify.Verdict(busy.call_id, written[-1], erased=False)
    with store.reading() as db:
        assert db.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"


def test_another_process_with_the_lease_is_the_one_to_scrub(store: Store, url: str) -> None:
    other = Store(url)
    other.checkpoint()
    assert not store.scrub()
    other.close()
    dial_and_claim(store)
    assert store.scrub()


class Racing(RuleBasedStateMachine):
    """One call, whoever wants to write to it, and an erasure in between at any point."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(self.url)
        self.call = dial_and_claim(self.store)
        self.stale = self.call
        self.message: int | None = None
        self.marked = False

    def teardown(self) -> None:
        self.store.close()

    @rule(body=st.binary(min_size=1, max_size=9))
    def append(self, body: bytes) -> None:
        """A holder that believes it still holds the call."""
        now = find(self.store, self.call)
        row = EventRow(self.call.number, now.last_seq + 1, AT, "upstream", "t", "e", body)
        with self.store.writing() as db:
            refused = events.append(db, NODE, {self.call.number: self.stale.epoch}, [row])
        assert bool(refused) is (now.ended_at is not None)

    @rule()
    def report(self) -> None:
        with self.store.writing() as db:
            call = calls.find(db, self.call.call_id)
            if call is not None and call.ended_at is None:
                self.message = inbox.put(
                    db, call.number, kind="report", by="ada", at=AT, body='{"kind": "word"}'
                )

    @rule()
    def wish(self) -> None:
        with self.store.writing() as db:
            calls.wish_hang_up(db, self.call.call_id, reason="caller_hung_up", by="ada", at=AT)

    @rule()
    def take(self) -> None:
        if self.message is not None:
            with self.store.writing() as db:
                inbox.take(db, {self.message: self.stale.epoch}, at=AT)

    @rule()
    def claim(self) -> None:
        with self.store.writing() as db:
            assert calls.claim(db, NODE, limit=9, at=AT, free_locks=[NODE]) == []

    @rule()
    def save(self) -> None:
        with self.store.writing() as db:
            changes: dict[str, Any] = {"summary": '{"turns": 1}'}
            calls.update_held(db, self.call.number, self.stale.epoch, NODE, **changes)

    @rule()
    def finish_call(self) -> None:
        if find(self.store, self.call).ended_at is None:
            end(self.store, self.call)

    @rule()
    def erase(self) -> None:
        with self.store.writing() as db:
            call = erasure.mark(db, self.call.call_id, by="otto", at=AT)
        assert call is not None
        self.marked = call.erased_at is not None
        assert self.marked is (call.ended_at is not None)

    @precondition(lambda self: self.marked)
    @rule()
    def empty(self) -> None:
        with self.store.writing() as db:
            for one in erasure.unfinished(db, limit=9):
                if one.number == self.call.number:
                    assert erasure.empty_a_stretch(db, one).is_empty

    @invariant()
    def nothing_comes_back(self) -> None:
        with self.store.reading() as db:
            call = calls.find(db, self.call.call_id)
            rows = events.after(db, self.call.number, 0, limit=999)
            said = inbox.waiting(db, NODE)
        assert call is not None
        if not self.marked:
            return
        assert (call.state, call.holder, call.salt, call.metadata) == ("ended", None, None, None)
        assert call.erased_at == AT and [message for message in said if message.number == call.number] == []
        assert {row.body for row in rows if row.seq <= (call.erased_seq or 0)} <= {b""}
        assert [row.seq for row in rows] == list(range(1, call.last_seq + 1))


def test_nothing_comes_back_whatever_races_with_the_erasure(tmp_path: Path) -> None:
    Racing.url = f"sqlite:///{tmp_path}/racing.db"
    migrations.upgrade(Racing.url)
    bounds = settings(
        max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Racing, settings=bounds)


def test_a_message_that_came_after_the_end_goes_too(store: Store, url: str) -> None:
    call = ended(store, [b"x"])
    with store.writing() as db:
        inbox.put(db, call.number, kind="report", by="ada", at=AT, body='{"note": "W0RDTOOLATE"}')
    assert b"W0RDTOOLATE" in files_of(url)
    erase(store, call)
    assert b"W0RDTOOLATE" not in files_of(url)


@pytest.mark.parametrize("go", range(2))
def test_messages_that_are_taken_in_any_order_leave_no_copy(
    store: Store, url: str, seed: int, go: int
) -> None:
    chance = random.Random(seed)
    held = [dial_and_claim(store) for _ in range(60)]
    for _ in range(12):
        with store.writing() as db:
            for call in chance.sample(held, len(held)):
                body = f'{{"n": "{f"<m{call.number:04d}>" * chance.choice([1, 30, 120])}"}}'
                inbox.put(db, call.number, kind="report", by="ada", at=AT, body=body)
    with store.writing() as db:
        messages = [message.id for message in inbox.waiting(db, NODE)]
        for message in chance.sample(messages, len(messages)):
            inbox.take(db, {message: 1}, at=AT)
    assert len(set(re.findall(rb"<m\d{4}>", files_of(url)))) == 60
    erase(store, *(end(store, call) for call in held))
    assert set(re.findall(rb"<m\d{4}>", files_of(url))) == set()


def test_every_writing_connection_wipes_what_it_deletes(store: Store) -> None:
    """Some builds of SQLite do so by themselves, which would hide that ours do not ask for it."""
    with store.writing() as db:
        assert db.exec_driver_sql("PRAGMA secure_delete").scalar_one() == 1
