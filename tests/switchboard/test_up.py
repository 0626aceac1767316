"""`switchboard up`: one command starts everything, one Ctrl-C stops it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import requests

from switchboard import up
from tests.processes import ROOT, Process, clean_environment, until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def start(folder: Path, port: int, **more: str) -> Process:
    environ = clean_environment(folder) | {"DATABASE_URL": f"sqlite:///{folder}/calls.db", **more}
    return Process.start("up", ["-m", "switchboard", "up", "--port", str(port)], environ, folder)


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def test_it_starts_everything_says_where_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    running = start(tmp_path, port)

    until(lambda: running.alive() and "Ctrl-C stops everything" in running.said(), "the greeting")
    said, children = running.said(), children_of(running.child.pid)
    assert f"http://127.0.0.1:{port}/" in said and "the emulator at http://127.0.0.1:" in said
    assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).json()["emulator"] is True
    assert "Start" in requests.get(f"http://127.0.0.1:{port}/", timeout=5).text
    assert len(children) == 3
    assert "events_unsealed" not in said

    assert running.stop(signal.SIGINT) == 0
    assert "Traceback" not in running.said() and "Stopped." in running.said(), running.said()
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_it_keeps_one_key_for_the_seals(tmp_path: Path) -> None:
    file = tmp_path / "var" / "seal.key"
    first = up._seal_key(file)
    assert up._seal_key(file) == first and len(bytes.fromhex(first)) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert [kept.name for kept in file.parent.iterdir()] == ["seal.key"]


def test_it_says_that_a_process_died_and_stops_the_others(tmp_path: Path) -> None:
    running = start(tmp_path, free_port())
    until(lambda: running.alive() and "Ctrl-C stops everything" in running.said(), "the greeting")
    children = children_of(running.child.pid)
    observer = next(c for c in children if "observer" in Path(f"/proc/{c}/cmdline").read_text())

    subprocess.run(["kill", "-9", str(observer)], check=True)

    assert running.child.wait(20) == 1
    assert "switchboard: the observer ended with status -9" in running.said()
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_it_says_which_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        running = start(tmp_path, port)
        assert running.child.wait(20) == 1
    assert (
        running.said()
        == f"switchboard: port {port} is taken; free it, or choose another with PORT={port + 1}\n"
    )


def test_it_starts_no_emulator_when_an_upstream_is_configured(tmp_path: Path) -> None:
    running = start(
        tmp_path, free_port(), AZURE_OPENAI_ENDPOINT="https://upstream.example", AZURE_OPENAI_API_KEY="k"
    )
    until(lambda: running.alive() and "Ctrl-C stops everything" in running.said(), "the greeting")
    assert "Upstream  https://upstream.example" in running.said()
    assert len(children_of(running.child.pid)) == 2
    assert running.stop(signal.SIGTERM) == 0


def test_it_stops_with_the_sentence_of_the_process_that_could_not_start(tmp_path: Path) -> None:
    running = start(tmp_path, free_port(), SWITCHBOARD_NONSENSE="1")
    assert running.child.wait(20) == 1
    assert "SWITCHBOARD_NONSENSE is no setting of Switchboard" in running.said()
    assert "Traceback" not in running.said()


def test_the_module_and_the_command_are_the_same() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "switchboard", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0 and "up" in run.stdout
