"""The history of the tables, and the commands that walk it."""

import multiprocessing
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from call_log import calls, events, migrations, revisions, schema
from call_log.lock import FileLock
from call_log.store import SchemaBehind, Store, StoreUnavailable, database_at
from tests.call_log.conftest import only

ROOT = Path(__file__).parents[2]
STEPS = len(list((ROOT / "call_log/migrations/versions").glob("0*.py")))


def _declared(db: Connection) -> dict[str, list[str]]:
    """What SQLite itself remembers of each table and index: the parts of its definition, in any order."""
    rows = db.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT IN "
        "('alembic_version', 'sqlite_sequence') ORDER BY name"
    )
    return {name: sorted(_parts(sql)) for name, sql in rows}


def _parts(sql: str) -> list[str]:
    """Columns and constraints apart, however they came together: at commas outside of parentheses."""
    first, _, rest = " ".join(sql.split()).partition("(")
    parts, depth = [""], 0
    for letter in rest.rstrip().removesuffix(")"):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [first.strip(), *(part.strip() for part in parts)]


def test_the_migrated_tables_are_those_of_the_code(store: Store) -> None:
    with store.reading() as db:
        assert compare_metadata(MigrationContext.configure(db), schema.metadata) == []


@only("sqlite")
def test_they_are_so_to_the_letter_with_checks_and_partial_indexes(store: Store, tmp_path: Path) -> None:
    other = Store(f"sqlite:///{tmp_path}/other.db")
    sqlite3.connect(tmp_path / "other.db").close()
    with other.writing() as db:
        schema.metadata.create_all(db)
    with store.reading() as migrated, other.reading() as created:
        assert _declared(migrated) == _declared(created)
    other.close()


def test_a_second_upgrade_has_nothing_to_do(empty_url: str) -> None:
    assert len(migrations.upgrade(empty_url)) == STEPS
    assert migrations.upgrade(empty_url) == []


def _upgrade(url: str, start: Any, results: Any) -> None:
    start.wait(30)
    results.put(migrations.upgrade(url))


def test_two_migrators_at_once_take_turns(empty_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, results = spawn.Barrier(3), spawn.Queue()
    arguments = (empty_url, start, results)
    migrators = [spawn.Process(target=_upgrade, args=arguments) for _ in range(3)]
    for migrator in migrators:
        migrator.start()
    steps = sorted(len(results.get(timeout=30)) for _ in migrators)
    for migrator in migrators:
        migrator.join(30)
    assert steps == [0, 0, STEPS]


def test_a_migrator_waits_as_long_as_another_is_at_work(tmp_path: Path) -> None:
    other = FileLock(tmp_path / "switchboard.db-locks" / "upgrade.lock")
    assert other.acquire()
    with ThreadPoolExecutor(1) as threads:
        upgrading = threads.submit(migrations.upgrade, f"sqlite:///{tmp_path}/switchboard.db")
        with pytest.raises(TimeoutError):
            upgrading.result(timeout=0.3)
        other.release()
        assert len(upgrading.result(timeout=30)) == STEPS


def test_a_migration_that_fails_leaves_no_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "switchboard.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE inbox (x)")
    db.close()
    with pytest.raises(StoreUnavailable):
        migrations.upgrade(f"sqlite:///{path}")
    db = sqlite3.connect(path)
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("inbox",)]
    db.close()


def test_a_store_without_its_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(SchemaBehind, match=r"does not exist yet; run: python -m call_log upgrade"):
        Store(f"sqlite:///{tmp_path}/switchboard.db").require_current()


def test_an_empty_database_is_behind(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "switchboard.db").close()
    with pytest.raises(SchemaBehind, match=rf"{STEPS} step\(s\) behind; run: python -m call_log upgrade"):
        Store(f"sqlite:///{tmp_path}/switchboard.db").require_current()


def test_the_steps_that_a_process_counts_are_those_that_alembic_takes() -> None:
    steps = ScriptDirectory.from_config(migrations._config()).iterate_revisions("head", "base")
    assert tuple(step.revision for step in steps) == revisions.KNOWN[::-1]


def test_what_is_missing_is_what_comes_behind_the_last_step(tmp_path: Path) -> None:
    _upgrade_to("0004", tmp_path / "switchboard.db")
    with database_at(f"sqlite:///{tmp_path}/switchboard.db").inspecting() as db:
        assert revisions.missing(db) == [step for step in revisions.KNOWN if step > "0004"]
        assert not revisions.is_ahead(db)


@only("sqlite")
def test_who_starts_on_a_file_waits_neither_for_a_servers_driver_nor_for_alembic(url: str) -> None:
    starts = (
        "import sys, observer.__main__; from call_log.store import Store\n"
        f"Store({url!r}).require_current()\n"
        "print(sys.modules.keys() & {'psycopg', 'alembic'})"
    )
    started = subprocess.run(
        [sys.executable, "-c", starts], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert started.stdout == "set()\n"


def test_a_newer_database_serves_an_older_code_but_is_not_taken_back(store: Store, url: str) -> None:
    with store.writing() as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.require_current()
    with pytest.raises(SchemaBehind, match="later version of Switchboard"):
        migrations.upgrade(url)
    assert (
        "a later version of Switchboard, which added to them" in _run(ROOT, "check", DATABASE_URL=url).stdout
    )


def _run(folder: Path, command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "call_log", command],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_upgrades_and_checks_the_default_file(tmp_path: Path) -> None:
    behind = _run(tmp_path, "check")
    assert (behind.returncode, behind.stdout) == (1, "")
    assert behind.stderr == (
        f"call_log: The call log {tmp_path}/var/switchboard.db does not exist yet; "
        "run: python -m call_log upgrade\n"
    )
    upgraded = _run(tmp_path, "upgrade")
    assert upgraded.stdout.startswith(
        f"call_log: took {STEPS} step(s): 0001: Calls, events, inbox and nodes.; 0002"
    )
    assert (upgraded.returncode, upgraded.stderr) == (0, "")
    assert (tmp_path / "var" / "switchboard.db").exists()
    assert _run(tmp_path, "check").returncode == 0


def test_the_command_says_one_sentence_when_it_cannot(tmp_path: Path) -> None:
    said = _run(tmp_path, "upgrade", DATABASE_URL="mysql://db/switchboard")
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "DATABASE_URL names mysql" in said.stderr


def test_what_an_older_database_says_of_its_calls_moves_along(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/switchboard.db"
    _upgrade_to("0001", tmp_path / "switchboard.db")
    with sqlite3.connect(tmp_path / "switchboard.db") as old:
        columns = "call_id, state, profile, model, caller, upstream, recording, metadata, created_at"
        old.execute(
            f"INSERT INTO calls ({columns}) VALUES ('call_1','dialling','p','m','c','azure','r','{{}}',1)"  # noqa: S608  # our own names
        )
        old.execute("INSERT INTO events VALUES (1, 1, 1, 'upstream', 't', NULL, x'00')")
    old.close()
    migrations.upgrade(url)
    store = Store(url)
    with store.reading() as db:
        call = calls.find(db, "call_1")
        (event,) = events.after(db, 1, 0, limit=9)
    store.close()
    assert call is not None
    assert (call.metadata, call.salt, call.erased_at) == ("{}", None, None)
    assert (event.body, event.browser, event.link) == (b"\0", False, None)


def _upgrade_to(revision: str, path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as db:
        config = migrations._config()
        config.attributes["connection"] = db
        command.upgrade(config, revision)
    engine.dispose()
