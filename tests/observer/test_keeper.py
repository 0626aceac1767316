"""SWITCHBOARD_SPAWN_OBSERVER=1: one command runs web and observer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observer.scenes import OFFER, SPEECH
from tests.player import Attach, Player, Scenario
from tests.processes import House, until


@pytest.fixture
def single(tmp_path: Path, player: Player) -> Iterator[House]:
    built = House.build(tmp_path / "single", player.url, SWITCHBOARD_SPAWN_OBSERVER="1")
    built.start_web()
    built.ready()
    yield built
    built.stop()


def observers(folder: Path) -> list[int]:
    """The pids of the observers that work for this house."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environ = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if command.endswith(b"-m\0observer\0") and str(folder).encode() in environ:
            found.append(int(process.name))
    return found


def test_one_command_observes_calls_and_leaves_nothing_behind(single: House, player: Player) -> None:
    player.expect(Scenario([Attach(frames=[SPEECH], close=(1000, ""))]))
    call = single.ended(single.connect(OFFER).headers["X-Call-Id"])
    assert call["end"]["reason"] == "caller_hung_up"
    assert len(observers(single.folder)) == 1

    single.stop()
    assert observers(single.folder) == []


def test_a_killed_observer_is_started_again(single: House) -> None:
    (first,) = observers(single.folder)
    os.kill(first, signal.SIGKILL)
    until(lambda: observers(single.folder) not in ([], [first]), "another observer")
    single.ready()


def test_a_killed_master_leaves_no_observer_behind(single: House) -> None:
    assert single.web is not None
    master = single.web.child
    workers = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
    master.kill()
    master.wait()
    until(lambda: observers(single.folder) == [], "no observer")
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), "no worker")
    single.web = None
