"""Backup and restore: a copy of the whole call log, made while it is in use, and put back where there is none yet.

It knows SQLite's online backup and PostgreSQL's own programs. A backup holds what was not yet erased when it was made,
and knows nothing of later erasures.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from sqlalchemy import inspect

from call_log.errors import StoreUnavailable
from call_log.postgres import Server
from call_log.sqlite import Sqlite
from call_log.store import database_at


class CannotCopy(Exception):
    """One sentence that says why, and what to do."""


def backup(url: str, path: Path) -> None:
    """Write a copy of the database at `url`, as it is at one moment, to a new file. Raises CannotCopy and
    StoreUnavailable."""
    if path.exists():
        raise CannotCopy(f"{path} exists already; name a new file.")
    database, half = database_at(url), path.with_name(f"{path.name}.half")
    try:
        if isinstance(database, Server):
            _run(database, "pg_dump", "--format=custom", "--no-owner", "--file", str(half))
        elif isinstance(database, Sqlite):
            _copy(database, half)
        half.chmod(0o600)
        half.rename(path)
    except OSError as fault:
        raise CannotCopy(f"{path} cannot be written ({fault.strerror}); name another place.") from fault
    finally:
        half.unlink(missing_ok=True)


def restore(url: str, path: Path) -> None:
    """Put a copy back, into a database that has no tables yet. Raises CannotCopy and StoreUnavailable."""
    if not path.is_file():
        raise CannotCopy(f"{path} is not there; name a file that `backup` made.")
    database = database_at(url)
    if isinstance(database, Server):
        _require_empty(database)
        how = ("--no-owner", "--exit-on-error", "--single-transaction", str(path))
        _run(database, "pg_restore", *how)
    elif isinstance(database, Sqlite):
        if database.path.exists():
            raise CannotCopy(f"{database.path} exists; move it away first, with its -wal and -shm.")
        database.prepare()
        half = database.path.with_name(f"{database.path.name}.half")
        shutil.copyfile(path, half)
        half.rename(database.path)


def _copy(database: Sqlite, target: Path) -> None:
    with (
        database.faults_named(),
        contextlib.closing(database.connect(read_only=True)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it


def _require_empty(database: Server) -> None:
    with database.inspecting() as db:
        if inspect(db).get_table_names():
            raise CannotCopy(
                f"{database.name} has tables already; make an empty database and restore into that."
            )


def _run(database: Server, program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise CannotCopy(f"{program} is not installed here; install PostgreSQL's client programs.")
    place = database.place
    secret = {"PGPASSWORD": place.password} if place.password else {}
    said = subprocess.run(  # noqa: S603  # PostgreSQL's own programs, by our own arguments
        [found, "--dbname", place.conninfo(), *arguments],
        env=os.environ | secret,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        reason = " ".join(said.stderr.split())[:300]
        raise StoreUnavailable(f"{program} failed for the call log {database.name}: {reason}")
