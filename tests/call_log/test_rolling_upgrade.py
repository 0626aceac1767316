"""Upgrades that are killed in the middle, and old code that goes on over tables to which a newer version has added."""

import multiprocessing
import os
import random
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, event, inspect, text

from call_log import calls, events, migrations, nodes, schema
from call_log.events import EventRow
from call_log.store import SchemaBehind, Store, database_at
from tests.call_log.conftest import AT
from tests.call_log.test_migrations import STEPS
from tests.processes import PATIENCE_SECONDS

VERSIONS = Path(migrations.__file__).parent / "versions"
FEWER_THAN_ALL = 30
"""Statements of an upgrade."""
ADDED = ("ALTER TABLE calls ADD COLUMN mood TEXT", "CREATE TABLE moods (mood TEXT)")


def _upgrade_and_die(url: str, at: int | None) -> None:
    """SIGKILL behind the statement of this number; None: when all is done, just before the COMMIT."""
    done: list[object] = []

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def count(*_: object) -> None:
        done.append(_)
        if len(done) == at:
            die()

    event.listen(Engine, "after_cursor_execute", count)
    if at is None:
        event.listen(Engine, "commit", die)
    migrations.upgrade(url)


def _tables(url: str) -> list[str]:
    with database_at(url).inspecting() as db:
        return inspect(db).get_table_names()


@pytest.mark.parametrize("where", ["at the first table", "somewhere", "before the commit"])
def test_an_upgrade_that_is_killed_leaves_nothing_and_the_next_one_makes_all_of_it(
    empty_url: str, seed: int, where: str
) -> None:
    at = {"at the first table": 14, "somewhere": random.Random(seed).randrange(15, FEWER_THAN_ALL)}.get(where)
    spawn = multiprocessing.get_context("spawn")
    killed = spawn.Process(target=_upgrade_and_die, args=(empty_url, at))
    killed.start()
    killed.join(PATIENCE_SECONDS)
    assert killed.exitcode == -signal.SIGKILL
    assert _tables(empty_url) == []
    with pytest.raises(SchemaBehind, match=rf"{STEPS} step\(s\) behind"):
        Store(empty_url).require_current()
    assert len(migrations.upgrade(empty_url)) == STEPS
    store = Store(empty_url)
    with store.reading() as db:
        assert compare_metadata(MigrationContext.configure(db), schema.metadata) == []
    store.close()


@pytest.mark.parametrize("step", sorted(VERSIONS.glob("0*.py"))[3:] or ["none yet"], ids=str)
def test_a_step_only_adds(step: Path | str) -> None:
    """Else code of the version before would fail while the new one is rolled out; see docs/operations.md."""
    source = step.read_text() if isinstance(step, Path) else ""
    removes = re.findall(r"op\.(drop_(?:column|table|constraint)|rename_table|alter_column|execute)", source)
    demands = re.findall(r"add_column\([^\n]*nullable=False(?![^\n]*server_default)", source)
    assert removes == [] and [line for line in demands if "server_default" not in line] == []


def test_old_code_that_is_at_work_goes_on_when_a_newer_version_adds_to_the_tables(
    store: Store, url: str, answered: Any, join: Any
) -> None:
    """On the very connections that it has open, with the statements that the server has prepared for them."""
    with store.writing() as db:
        join(db, "n1")
    for _ in range(10):
        _work(store, answered)
    newer = Store(url)
    with newer.writing() as db:
        for statement in ADDED:
            db.execute(text(statement))
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer.close()
    store.require_current()
    for _ in range(10):
        _work(store, answered)
    with store.reading() as db:
        assert len(calls.list_page(db, limit=99)) == 20


def _work(store: Store, answered: Any) -> None:
    with store.writing() as db:
        nodes.heartbeat(db, "n1")
        number = answered(db).number
        (claimed,) = calls.claim(db, "n1", limit=1, at=AT)
        row = EventRow(number, 1, AT, "upstream", "t", None, b"{}")
        assert events.append(db, "n1", {number: claimed.epoch}, [row]) == set()
    with store.reading() as db:
        assert events.after(db, number, 0, limit=9) == [row]
        assert [call.number for call in calls.held_by(db, "n1")][-1] == number
