"""Copies of a call log that is in use, and their way back."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from call_log.store import Store
from tests.call_log import sealed
from tests.postgres import Cluster
from tests.processes import ROOT

KEY = sealed.KEY


@pytest.fixture
def elsewhere(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of the same kind, without anything in it."""
    if url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path}/elsewhere/switchboard.db"
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    name = cluster.make_database("template0")
    yield cluster.url(name)
    cluster.drop(name)


def run(url: str, *arguments: str, path: str = os.environ["PATH"]) -> "subprocess.CompletedProcess[str]":
    environ = {"PYTHONPATH": str(ROOT), "PATH": path, "DATABASE_URL": url, "SWITCHBOARD_SEAL_KEY": KEY}
    return subprocess.run(
        [sys.executable, "-m", "call_log", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_copy_that_was_made_under_writing_comes_back_whole(
    store: Store, url: str, elsewhere: str, tmp_path: Path, seed: int
) -> None:
    for length in (3, 30):
        sealed.ended(store, sealed.some_bodies(seed, length))
    copy, done = tmp_path / "copy", threading.Event()

    def go_on() -> None:
        while not done.is_set():
            sealed.ended(store, [b"{}", b"{}"])

    writing = threading.Thread(target=go_on)
    writing.start()
    made = run(url, "backup", str(copy))
    done.set()
    writing.join()
    assert made.returncode == 0, made.stderr
    assert copy.stat().st_mode & 0o077 == 0
    assert [file.name for file in tmp_path.glob("copy*")] == ["copy"]
    back = run(elsewhere, "restore", str(copy))
    assert back.returncode == 0, back.stderr
    assert run(elsewhere, "check").returncode == 0
    verified = run(elsewhere, "verify")
    assert verified.returncode == 0 and " 0 do not;" in verified.stdout, verified.stdout + verified.stderr


def test_it_overwrites_nothing(url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert run(url, "backup", str(copy)).returncode == 0
    assert "exists already; name a new file" in run(url, "backup", str(copy)).stderr
    refused = run(url, "restore", str(copy)).stderr
    assert "move it away first" in refused or "has tables already" in refused
    assert "is not there" in run(url, "restore", str(tmp_path / "nothing")).stderr


def test_it_says_which_programs_are_missing(database: str, tmp_path: Path) -> None:
    said = run(database, "backup", str(tmp_path / "copy"), path=str(tmp_path))
    assert (said.returncode, said.stderr) == (
        1,
        "call_log: pg_dump is not installed here; install PostgreSQL's client programs.\n",
    )
