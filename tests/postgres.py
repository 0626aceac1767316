"""A PostgreSQL server of the tests' own: a private cluster on loopback, with a database from a template per test.

Its default for `synchronous_commit` is off, so that a session which did not ask for durability would be found out.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from call_log import migrations
from call_log.store import database_at
from tests.processes import until

USER = "postgres"
TEMPLATE = "current_tables"
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "listen_addresses": "127.0.0.1",
    "logging_collector": "off",
}


class Cluster:
    """Make it, `start` it, and `remove` it in the end; between, it may be stopped and started again. `more` are the
    server's settings; a `standby_of` another one follows that until it is promoted."""

    def __init__(self, standby_of: Cluster | None = None, **more: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="switchboard-postgres-"))
        self.port, self._settings = _free_port(), SETTINGS | more
        self._names = itertools.count(1)
        self._server: subprocess.Popen[bytes] | None = None
        self._programs = _programs()
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, USER, USER)
        self._make(*(_first() if standby_of is None else _copied(standby_of.port)))

    def _make(self, program: str, *arguments: str) -> None:
        made = [str(self._programs / program), "-D", str(self.folder / "data"), "-U", USER, *arguments]
        subprocess.run([*_as_its_user(), *made], check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start the server and wait until it answers; it dies with the tests."""
        settings = self._settings | {"port": str(self.port), "unix_socket_directories": str(self.folder)}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*_as_its_user(), self._programs / "postgres", "-D", self.folder / "data", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(self._answers, "PostgreSQL")

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it: SIGINT ends all sessions in an orderly way, SIGQUIT at once."""
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(60)
            self._server = None

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside any transaction; its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def make_template(self) -> None:
        """Make the database that the tests' are copied from."""
        self.run(f"CREATE DATABASE {TEMPLATE}")
        migrations.upgrade(self.url(TEMPLATE))

    def make_database(self, template: str = TEMPLATE) -> str:
        """A fresh database with current tables, or with none (`template0`); its name."""
        name = f"test_{next(self._names)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    @contextlib.contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of a database with current tables, which is gone afterwards."""
        name = self.make_database()
        yield self.url(name)
        self.drop(name)
        shutil.rmtree(database_at(self.url(name)).lock_folder, ignore_errors=True)

    def drop(self, database: str) -> None:
        """End its sessions and drop it."""
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def _answers(self) -> bool:
        assert self._server is not None and self._server.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.run("SELECT 1"))
        except psycopg.OperationalError:
            return False


def _first() -> list[str]:
    return ["initdb", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]


def _copied(port: int) -> list[str]:
    place = ["-h", "127.0.0.1", "-p", str(port)]
    return ["pg_basebackup", *place, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]


def _as_its_user() -> list[str]:
    """The words before a program that make it the server's user, and make it end when the tests' process does."""
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        words += ["--reuid", USER, "--regid", USER, "--init-groups"]
    return words


def _programs() -> Path:
    """Debian keeps each version's programs apart, and off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    assert found or on_path, "PostgreSQL is missing; run: sh requirements/system.sh postgresql"
    return found[-1] if found else Path(str(on_path)).parent


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])
