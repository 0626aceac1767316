"""A fresh call log per test, and the few steps that bring a call to where a test begins."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection, event, update

from call_log import calls, migrations, nodes
from call_log import schema as table
from call_log.calls import Call
from call_log.clock import DatabaseClock
from call_log.holding import DEAD_AFTER_MS
from call_log.store import Store

AT = 1_795_000_000_000
"""A moment, in UTC milliseconds."""


STORES = ("sqlite", "postgresql")


def only(kind: str) -> pytest.MarkDecorator:
    """For a test that is about one of the two databases."""
    return pytest.mark.parametrize("url", [kind], indirect=True)


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a call log with current tables, on either database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("database"))
    return file_url(tmp_path)


def file_url(folder: Path) -> str:
    """The URL of a file with current tables."""
    url = f"sqlite:///{folder}/var/switchboard.db"
    migrations.upgrade(url)
    return url


@pytest.fixture(params=STORES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/switchboard.db"
        return
    cluster = request.getfixturevalue("postgres")
    name = cluster.make_database("template0")
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()


class Dial(Protocol):
    def __call__(self, db: Connection, **columns: Any) -> Call: ...


@pytest.fixture
def dial() -> Dial:
    """Dials one call, with any of `calls.dial`'s arguments."""

    def dial(db: Connection, **columns: Any) -> Call:
        usual: dict[str, Any] = {
            "call_id": calls.new_call_id(),
            "profile": "default",
            "model": "gpt-realtime",
            "caller": "alice",
            "upstream": "azure",
            "recording": "preferred",
            "metadata": None,
            "consent": None,
            "at": AT,
        }
        return calls.dial(db, **{**usual, **columns})

    return dial


@pytest.fixture
def answered(dial: Dial) -> Dial:
    """Dials one call and has it answered by the upstream."""
    numbers = itertools.count(1)

    def answered(db: Connection, **columns: Any) -> Call:
        call = dial(db, **columns)
        upstream_call_id = f"rtc_{next(numbers)}"
        row = calls.answer(
            db, call.call_id, upstream_call_id=upstream_call_id, upstream_request_id=None, at=AT + 1
        )
        assert row is not None
        return row

    return answered


@pytest.fixture
def join(tmp_path: Path) -> Callable[[Connection, str], None]:
    """Enters a node of this name, which has renewed for a full lease already; its heartbeat is as far ahead as one may
    be, so that it dies when it is killed, and not because this machine is slow."""

    def join(db: Connection, node_id: str) -> None:
        nodes.join(db, node_id, host="here", pid=1, lock_path=tmp_path / f"{node_id}.lock", version="1")
        same = update(table.nodes).where(table.nodes.c.node_id == node_id)
        ahead = {"heartbeat_at": table.nodes.c.heartbeat_at + DEAD_AFTER_MS}
        db.execute(same.values(renewed_since=table.nodes.c.renewed_since - DEAD_AFTER_MS, **ahead))

    return join


def kill(db: Connection, node_id: str) -> None:
    """Make a node's heartbeat as old as that of a dead one."""
    same = update(table.nodes).where(table.nodes.c.node_id == node_id)
    db.execute(same.values(heartbeat_at=DatabaseClock() - 3001))


@pytest.fixture(name="kill")
def kill_fixture() -> Callable[[Connection, str], None]:
    return kill


@pytest.fixture
def plan(store: Store) -> Callable[[Callable[[Connection], object]], list[str]]:
    """SQLite's plan for every statement that a function sends."""

    def plan(work: Callable[[Connection], object]) -> list[str]:
        sent: list[tuple[str, Any]] = []
        with store.writing() as db:
            event.listen(db, "before_cursor_execute", lambda *a: sent.append((a[2], a[3])))
            work(db)
        with store.reading() as db:
            return [
                row[3]
                for statement, parameters in sent
                for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]

    return plan
