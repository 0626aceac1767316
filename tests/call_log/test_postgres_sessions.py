"""What every session with PostgreSQL sets, how long it waits for what, and what it gives up on."""

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from call_log import migrations
from call_log.errors import StoreUnavailable
from call_log.postgres import WRITERS, Server
from call_log.postgres_session import Bounds, Session, Silent, _moving
from call_log.store import Store
from tests.black_hole import Wire
from tests.postgres import Cluster

SETTINGS = ("synchronous_commit", "lock_timeout", "statement_timeout")
IN_TRANSACTIONS = ("idle_in_transaction_session_timeout", "idle_session_timeout")
SHOW = "SELECT " + ", ".join(f"current_setting('{name}')" for name in SETTINGS + IN_TRANSACTIONS)


@pytest.fixture
def url(database: str, postgres: Cluster) -> str:
    """A database whose own defaults are all different."""
    name = database.rpartition("/")[2]
    for setting in ("lock_timeout", "statement_timeout", *IN_TRANSACTIONS):
        postgres.run(f"ALTER DATABASE {name} SET {setting} = '77s'")
    return database


@pytest.fixture
def nobody_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session is asked, however short it is since it was asked before."""
    monkeypatch.setattr("call_log.postgres.TRUSTED_SECONDS", 0)


@pytest.fixture
def holder(url: str) -> Iterator["psycopg.Connection[Any]"]:
    """Somebody in a transaction, who has the calls for themselves."""
    with psycopg.connect(url, application_name="a report") as session:
        session.execute("LOCK TABLE calls")
        yield session


def test_each_session_says_itself_how_long_it_may_take(url: str) -> None:
    store = Store(url, patience=0.5, longest=2)
    for transaction in (store.reading, store.writing):
        with transaction() as db:
            assert db.execute(text(SHOW)).one() == ("on", "500ms", "2s", "10s", "0")
    store.close()


def test_a_vacuum_and_a_migration_may_last(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server.at(url, patience=3)
    with server.migrating() as db:
        assert db.execute(text(SHOW)).one() == ("on", "3s", "0", "0", "0")
    ran: list[Any] = []
    execute = psycopg.Connection.execute

    def looking(session: Any, *statement: Any) -> Any:
        ran.append(execute(session, SHOW).fetchone())
        return execute(session, *statement)

    monkeypatch.setattr(psycopg.Connection, "execute", looking)
    assert Store(url, patience=3).scrub()
    assert ran[-1] == ("on", "3s", "0", "10s", "0")


def test_a_statement_that_takes_too_long_is_ended_and_the_next_one_is_served(url: str) -> None:
    store = Store(url, longest=1)
    with pytest.raises(StoreUnavailable, match="cancelled a statement"), store.reading() as db:
        db.execute(text("SELECT pg_sleep(60)"))
    with store.reading() as db:
        assert db.scalar(text("SELECT 1")) == 1
    store.close()


def test_a_locked_row_is_waited_for_no_longer_than_a_requests_patience(url: str, holder: Any) -> None:
    store = Store(url, patience=0.05)
    with pytest.raises(StoreUnavailable, match="locked by another session"), store.reading() as db:
        db.execute(text("SELECT count(*) FROM calls"))
    store.close()


def test_who_stops_inside_a_transaction_loses_it_and_not_the_others_their_turn(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Store(url)
    monkeypatch.setattr("call_log.postgres_session.Bounds.of", lambda *_: Bounds(20, idle=0.05))
    stopped = Store(url)
    with pytest.raises(StoreUnavailable, match="done nothing inside a transaction"), stopped.writing() as db:
        db.execute(text("LOCK TABLE calls"))
        with others.writing() as other:
            other.execute(text("LOCK TABLE calls"))
        db.execute(text("SELECT 1"))
    stopped.close()
    others.close()


def test_a_server_that_hangs_is_given_up_and_served_again_when_it_moves(url: str, postgres: Cluster) -> None:
    """Its kernel takes what we send and keeps the connection alive; nothing comes back."""
    wire = Wire(url)
    store = Store(wire.postgres_url, longest=1)  # and a second of grace
    with pytest.raises(StoreUnavailable, match="does not answer any more"), store.reading() as db:
        db.execute(text("SELECT 1"))
        wire.swallow()
        db.execute(text("SELECT 1"))
    with store.reading() as db:
        assert db.scalar(text("SELECT 1")) == 1
    store.close()
    wire.close()


@pytest.mark.usefixtures("nobody_trusted")
def test_a_session_that_hangs_is_not_lent_and_its_thread_is_told_at_once(url: str) -> None:
    wire = Wire(url)
    store = Store(wire.postgres_url, longest=1)
    with store.reading() as db:
        db.execute(text("SELECT 1"))
    wire.swallow()
    with pytest.raises(StoreUnavailable, match="does not answer any more"), store.reading():
        raise AssertionError("nobody may come here")
    with store.reading() as db:
        assert db.scalar(text("SELECT 1")) == 1
    store.close()
    wire.close()


@pytest.mark.usefixtures("nobody_trusted")
def test_of_several_sessions_that_hang_only_one_is_waited_for(url: str) -> None:
    wire = Wire(url)
    store = Store(wire.postgres_url, longest=1)
    with store.reading(), store.reading(), store.reading():
        pass
    wire.swallow()
    with pytest.raises(StoreUnavailable, match="does not answer any more"), store.reading():
        raise AssertionError("nobody may come here")
    with store.reading() as first, store.reading() as second, store.reading() as third:
        assert [db.scalar(text("SELECT 1")) for db in (first, second, third)] == [1, 1, 1]
    store.close()
    wire.close()


def test_a_session_that_was_asked_a_moment_ago_is_lent_unasked(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Session] = []
    ask = Session.ask

    def asking(session: Session) -> None:
        asked.append(session)
        ask(session)

    monkeypatch.setattr(Session, "ask", asking)
    now = iter([100.0, 100.2, 100.3])
    monkeypatch.setattr("call_log.postgres.monotonic", lambda: next(now))
    store = Store(url)
    for times in (1, 1, 2):
        with store.reading() as db:
            assert db.scalar(text("SELECT 1")) == 1
        assert len(asked) == times
    store.close()


def test_a_thread_that_finds_all_sessions_busy_is_told(url: str) -> None:
    store = Store(url, patience=0.05)
    with contextlib.ExitStack() as busy:
        for _ in range(WRITERS):
            busy.enter_context(store.writing())
        with pytest.raises(StoreUnavailable, match="no connection came free"), store.writing():
            raise AssertionError("nobody may come here")
    with store.writing() as db:
        assert db.scalar(text("SELECT 1")) == 1
    store.close()


def test_a_copy_is_not_cut_while_it_moves() -> None:
    """The clock is the test's: each piece takes nearly as long as the whole may be silent."""

    def pieces() -> Generator[Any, Any, None]:
        for _ in range(99):
            yield 1

    now = [0.0]
    copying: Generator[Any, Any, None] = _moving(pieces(), 5.0, lambda: now[0])
    next(copying)
    for _ in range(3):
        now[0] += 4.9
        copying.send(0)
        copying.send(1)
    now[0] += 5.1
    with pytest.raises(Silent):
        copying.send(0)


def test_a_database_that_cannot_store_every_word_is_refused(postgres: Cluster) -> None:
    postgres.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreUnavailable, match="keeps this database in LATIN1"):
        migrations.upgrade(postgres.url("latin"))
    postgres.drop("latin")


def test_an_upgrade_says_who_is_in_its_way(url: str, holder: Any) -> None:
    sentence = (
        rf"a report \(127.0.0.1\) has been in a transaction on its tables for \d+ s; wait for it, or end it with "
        rf"SELECT pg_terminate_backend\({holder.info.backend_pid}\), and run the upgrade again"
    )
    server = Server.at(url, patience=0.05)
    with pytest.raises(StoreUnavailable, match=sentence), server.migrating() as db:
        db.execute(text("ALTER TABLE calls ADD COLUMN x int"))


def test_an_upgrade_names_the_other_one_that_has_its_turn(url: str) -> None:
    first = Server.at(url)
    with (
        first.migrating(),
        pytest.raises(StoreUnavailable, match=r"switchboard \d+ \(127.0.0.1\) has been in a transaction"),
    ):
        migrations.upgrade(url, patience=0.05)
    assert migrations.upgrade(url) == []
