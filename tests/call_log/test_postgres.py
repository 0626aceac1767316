"""What is PostgreSQL's alone: what its sessions promise, how they end, and what its failures are called."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text, update

from call_log import calls, events, inbox, nodes, schema
from call_log.clock import DatabaseClock
from call_log.events import EventRow
from call_log.store import News, Store, StoreUnavailable
from tests.call_log.conftest import AT
from tests.postgres import Cluster
from tests.processes import until


@pytest.fixture
def url(database: str) -> str:
    return database


@pytest.fixture
def other(url: str) -> Iterator["psycopg.Connection[Any]"]:
    """Somebody else's session."""
    with psycopg.connect(url, autocommit=True) as session:
        yield session


def _silence(store: Store, node_id: str) -> None:
    with store.writing() as db:
        same = update(schema.nodes).where(schema.nodes.c.node_id == node_id)
        db.execute(same.values(heartbeat_at=DatabaseClock() - 1_100))


def test_what_is_committed_is_on_the_disk_whatever_the_servers_default_is(store: Store, other: Any) -> None:
    assert other.execute("SHOW synchronous_commit").fetchone() == ("off",)
    with store.writing() as db:
        assert db.scalar(text("SHOW synchronous_commit")) == "on"
        assert db.scalar(text("SHOW lock_timeout")) == "5s"


def test_a_batch_that_comes_again_is_written_once(store: Store, answered: Any, join: Any) -> None:
    """The connection was lost during a COMMIT, and it was carried out."""
    with store.writing() as db:
        join(db, "n1")
        number = answered(db).number
        calls.claim(db, "n1", limit=1, at=AT)
    rows = [EventRow(number, seq, AT, "upstream", "t", None, b"{}") for seq in (1, 2, 3)]
    for batch in (rows[:2], rows):
        with store.writing() as db:
            assert events.append(db, "n1", {number: 1}, batch) == set()
    with store.reading() as db:
        assert events.after(db, number, 0, limit=9) == rows


def test_a_lost_session_frees_the_lock_but_a_young_heart_still_beats(
    store: Store, join: Any, other: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
    _silence(store, "n1")
    with store.reading() as db:
        assert nodes.free_locks(nodes.registered(db)) == set(), "the session has the lock"
        (node,) = nodes.registered(db)
    assert other.execute("SELECT pg_terminate_backend(%s, 5000)", (node.backend_pid,)).fetchone() == (True,)
    with store.reading() as db:
        assert nodes.free_locks(nodes.registered(db)) == {"n1"}
    with store.writing() as db:
        assert nodes.heartbeat(db, "n1")
    with store.reading() as db:
        assert nodes.free_locks(nodes.registered(db)) == set()
    _silence(store, "n1")
    with store.reading() as db:
        assert nodes.free_locks(nodes.registered(db)) == set(), "a new session took it again"


@pytest.mark.parametrize(("lost", "taken"), [(["n2"], True), (["n1", "n2"], False)], ids=["one", "all"])
def test_a_lost_session_is_anothers_death_only_for_whose_own_one_stood(
    url: str, store: Store, answered: Any, join: Any, other: Any, lost: list[str], taken: bool
) -> None:
    """When the server restarts, all are lost, and whoever is back first must not take the others for dead."""
    with store.writing() as db:
        join(db, "n1")
    second = Store(url)
    with second.writing() as db:
        join(db, "n2")
        number = answered(db).number
        calls.claim(db, "n2", limit=1, at=AT)
        db.execute(update(schema.nodes).values(heartbeat_at=DatabaseClock()))
    ended = "SELECT pg_terminate_backend(backend_pid, 5000) FROM nodes WHERE node_id = ANY(%s)"
    assert set(other.execute(ended, (lost,)).fetchall()) == {(True,)}

    def unlocked() -> frozenset[str]:
        with store.writing() as db:
            nodes.heartbeat(db, "n1")
        with store.reading() as db:
            return nodes.free_locks(nodes.registered(db))

    free = until(unlocked, "a free lock and a silent heart")
    assert free == {"n2"}
    with store.writing() as db:
        assert [call.number for call in calls.claim(db, "n1", limit=1, at=AT, free_locks=free)] == (
            [number] if taken else []
        )
    second.close()


def test_a_paused_owner_in_a_transaction_does_not_keep_its_calls(
    url: str, store: Store, answered: Any, join: Any, kill: Any
) -> None:
    with store.writing() as db:
        join(db, "n1")
        number = answered(db).number
        calls.claim(db, "n1", limit=1, at=AT)
    paused = contextlib.ExitStack()
    db = paused.enter_context(store.writing())
    assert calls.held(db, "n1", {number: 1}) == {number}
    heir = Store(url)
    with heir.writing() as db:
        join(db, "n2")
        kill(db, "n1")
    with heir.writing() as db:
        assert [call.epoch for call in calls.claim(db, "n2", limit=1, at=AT)] == [2]
    with pytest.raises(StoreUnavailable, match=r"ended this session|lost the connection"):
        paused.close()
    heir.close()


def test_the_web_hints_and_a_watch_without_hints_looks_anyway(store: Store, dial: Any) -> None:
    watch = store.watch()
    assert watch.changed()
    assert not watch.changed()
    with store.writing() as db:
        dial(db)
    until(watch.changed, "the hint")
    until(watch.changed, "a look without one")
    watch.close()


def test_a_hint_says_whether_there_is_more_than_a_message(
    store: Store, dial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = store.watch()
    assert watch.changed() is News.ANYTHING
    monkeypatch.setattr("call_log.postgres_watch.LOOK_ANYWAY_SECONDS", 60)
    with store.writing() as db:
        number = dial(db).number
    assert watch.changed(within=1) is News.ANYTHING
    with store.writing() as db:
        inbox.put(db, number, kind="report", by="alice", at=AT)
    assert watch.changed(within=1) is News.MESSAGES
    assert watch.changed() is News.NOTHING
    with store.writing() as db:
        inbox.put(db, number, kind="report", by="alice", at=AT)
        dial(db)
    assert watch.changed(within=1) is News.ANYTHING, "both in one transaction"
    watch.close()


def test_what_was_erased_is_vacuumed_once_nobody_can_see_it_any_more(url: str, dial: Any) -> None:
    store = Store(url, patience=0.1)
    with store.writing() as db:
        dial(db)
    with store.reading() as db:
        assert db.scalar(text("SELECT count(*) FROM calls")) == 1
        with store.writing() as writing:
            writing.execute(text("UPDATE calls SET caller = 'nobody'"))
        assert not store.scrub(), "a reader still sees the old row"
    assert store.scrub()
    with store.reading() as db:
        assert db.scalar(text("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'calls'")) == 0
    store.close()


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ("postgres@127.0.0.1:1/x", "refuses connections: nothing listens there"),
        ("nobody@{place}/{name}", "refused this user"),
        ("postgres@{place}/nothing", "does not have this database"),
    ],
)
def test_a_server_that_lets_nobody_in_says_why(postgres: Cluster, url: str, end: str, sentence: str) -> None:
    place, name = f"127.0.0.1:{postgres.port}", url.rpartition("/")[2]
    store = Store(f"postgresql://{end.format(place=place, name=name)}")
    with pytest.raises(StoreUnavailable, match=sentence), store.reading() as db:
        db.scalar(text("SELECT 1"))


def test_a_reader_may_not_write_and_missing_tables_name_the_command(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="read-only"), store.reading() as db:
        db.execute(text("DELETE FROM nodes"))
    with pytest.raises(StoreUnavailable, match="python -m call_log upgrade"), store.reading() as db:
        db.execute(text("SELECT * FROM missing"))


def test_a_session_that_was_ended_costs_no_request(
    store: Store, other: Any, dial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that has just been asked whether it lives: a server restarts within 0.1 s."""
    monkeypatch.setattr("call_log.postgres.TRUSTED_SECONDS", 3600)
    with store.writing() as db:
        pid = db.scalar(text("SELECT pg_backend_pid()"))
    other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    with store.writing() as db:
        dial(db)
        assert db.scalar(text("SELECT pg_backend_pid()")) != pid
