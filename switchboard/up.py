"""`switchboard up`: everything for one person on one machine, with one Ctrl-C.

Knows which processes there are, in which order they start and stop, and what to tell the person. It alone is
lenient: it brings an emulator where no upstream is configured, and lets this machine's own pages in.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import click

START_SECONDS = 30.0
STOP_SECONDS = 20.0
LOOK_EVERY_SECONDS = 0.05
SEAL_KEY = "SWITCHBOARD_SEAL_KEY"
KEY_FILE = Path("var/seal.key")
UPSTREAM_NAMES = ("AZURE_OPENAI_ENDPOINT", "AZURE_RESOURCE", "OPENAI_API_KEY", "SWITCHBOARD_UPSTREAM")


class Trouble(Exception):
    """Why it can't go on, in one sentence."""


def up(port: int) -> int:
    """Run until Ctrl-C or until a process dies; returns the exit status."""
    _refuse_taken(port)
    stop = _stop_on_signals()
    with ExitStack() as running:
        environ = _environment(os.environ, port)
        environ = {SEAL_KEY: _seal_key(KEY_FILE), **environ}
        _upgrade(environ)
        emulated = not any(environ.get(name) for name in UPSTREAM_NAMES)
        children: dict[str, subprocess.Popen[str]] = {}
        if emulated:
            children["emulator"] = running.enter_context(_process("emulator", _emulator(environ), environ))
            environ |= _emulated_upstream(_listening(children["emulator"]))
        children["observer"] = running.enter_context(_process("observer", ["-m", "observer"], environ))
        children["web"] = running.enter_context(_process("web", ["-m", "gunicorn"], environ))
        address = f"http://127.0.0.1:{port}"
        if not _wait_until_ready(address, children, stop):
            return 0
        _greet(address, environ, emulated)
        _wait_until_over(children, stop)
        click.echo("\nStopping …")
    click.echo("Stopped. Every call that was made is in the call log.")
    return 0


def _seal_key(file: Path) -> str:
    """The key that is kept in this file; made where there is none, for this user alone to read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}-{os.getpid()}")
    fresh.touch(0o600, exist_ok=False)
    fresh.write_text(f"{secrets.token_hex(32)}\n")
    try:
        # A link appears whole or not at all, and never over a key that is there.
        file.hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return file.read_text().strip()


def _environment(given: Mapping[str, str], port: int) -> dict[str, str]:
    quiet = {"LOG_LEVEL": "warning", "SWITCHBOARD_OPEN_LOOPBACK": "1"}
    # One observer is started here; gunicorn must not bring a second one.
    return {**quiet, **given, "PORT": str(port), "PYTHONUNBUFFERED": "1", "SWITCHBOARD_SPAWN_OBSERVER": "0"}


def _emulator(environ: Mapping[str, str]) -> list[str]:
    return ["-m", "realtime_emulator", "--log-level", environ["LOG_LEVEL"]]


def _emulated_upstream(listening: str) -> dict[str, str]:
    return {"AZURE_OPENAI_ENDPOINT": listening, "AZURE_OPENAI_API_KEY": "emulator"}


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Trouble(f"port {port} is taken; free it, or choose another with PORT={port + 1}") from None


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def hear(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, hear)
    signal.signal(signal.SIGTERM, hear)
    return stop


def _upgrade(environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "call_log", "upgrade"], env=environ, capture_output=True, text=True
    )
    if done.returncode:
        raise Trouble(f"the call log could not be brought up to date: {(done.stderr or done.stdout).strip()}")


@contextmanager
def _process(name: str, arguments: list[str], environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A child that is stopped when the block ends.

    A session of its own keeps the terminal's Ctrl-C from it: we stop the children in order, the observer after the
    web, so that it can write down how the last calls ended.
    """
    piped = subprocess.PIPE if name == "emulator" else None
    command = [sys.executable, *arguments]
    child = subprocess.Popen(command, env=environ, stdout=piped, text=True, start_new_session=True)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            click.echo(f"switchboard: the {name} does not stop; killing it", err=True)
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _listening(emulator: subprocess.Popen[str]) -> str:
    """The address in the emulator's first line; the lines after it are passed on to our own output."""
    if emulator.stdout is None or not (line := emulator.stdout.readline()):
        raise Trouble("the emulator did not start; its error stands above")
    threading.Thread(target=_pass_on, args=(emulator,), daemon=True).start()
    return str(json.loads(line)["listening"])


def _pass_on(child: subprocess.Popen[str]) -> None:
    try:
        for line in child.stdout or ():
            sys.stdout.write(line)
    except ValueError:  # closed while we read: we are stopping
        return


def _wait_until_ready(
    address: str, children: Mapping[str, subprocess.Popen[str]], stop: threading.Event
) -> bool:
    """False when it was stopped meanwhile."""
    give_up_at = time.monotonic() + START_SECONDS
    while not stop.wait(LOOK_EVERY_SECONDS):
        _refuse_dead(children)
        if _is_ready(address):
            return True
        if time.monotonic() > give_up_at:
            raise Trouble(
                f"{address}/readyz does not say ready after {START_SECONDS:.0f} s; see the lines above"
            )
    return False


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:  # noqa: S310  # our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _wait_until_over(children: Mapping[str, subprocess.Popen[str]], stop: threading.Event) -> None:
    while not stop.wait(0.2):
        _refuse_dead(children)


def _refuse_dead(children: Mapping[str, subprocess.Popen[str]]) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise Trouble(f"the {name} ended with status {child.returncode}; the reason stands above")


def _greet(address: str, environ: Mapping[str, str], emulated: bool) -> None:
    upstream = (
        f"the emulator at {environ['AZURE_OPENAI_ENDPOINT']} (no account is configured; nothing leaves this machine)"
        if emulated
        else environ.get("AZURE_OPENAI_ENDPOINT") or environ.get("AZURE_RESOURCE") or "OpenAI"
    )
    click.echo(f"\n  Switchboard is up.\n\n  Talk      {address}/\n  Calls     {address}/calls.html")
    click.echo(f"  Upstream  {upstream}\n\n  Ctrl-C stops everything.\n")
