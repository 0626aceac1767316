"""The real programs as tests start them: the emulator, the observer, the web; each on loopback and a free port.

Each starts in a clean environment, writes its log to a file that a failing test shows, and is stopped by its pid.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import requests

from call_log import migrations
from call_log.store import database_at

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 20.0
LOOK_EVERY_SECONDS = 0.01
Seen = TypeVar("Seen")

UNWATCHED = {"PYTHONASYNCIODEBUG": ""}
"""What a bench starts its processes with: all that asyncio looks after in tests takes up to half of their time."""


def until(
    look: Callable[[], Seen | Literal[False] | None], what: str, seconds: float = PATIENCE_SECONDS
) -> Seen:
    """What `look` sees as soon as it is truthy; fails with `what` and the last sight after so many seconds."""
    give_up_at = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < give_up_at, f"waited {seconds:.0f} s for {what}; saw {seen!r}"
        time.sleep(LOOK_EVERY_SECONDS)  # the one wait of all tests: between two looks at a condition


def clean_environment(home: Path) -> dict[str, str]:
    """Nothing of whoever runs the tests gets in."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONASYNCIODEBUG": "1",
    }


@dataclass
class Process:
    """One child. `log` is the file that holds everything it wrote."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        arguments: list[str],
        environ: Mapping[str, str],
        folder: Path,
        pass_fds: tuple[int, ...] = (),
    ) -> Process:
        log = folder / f"{name}-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, *arguments],
                env=environ,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
            )
        return cls(name, child, log)

    def said(self) -> str:
        """Everything that it has written so far."""
        return self.log.read_text(errors="replace")

    def alive(self) -> bool:
        """Whether it runs; a test that waits for a dead process shows why it died."""
        assert self.child.poll() is None, (
            f"{self.name} ended with {self.child.returncode}:\n{self.said()[-4000:]}"
        )
        return True

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait; returns its exit status."""
        if self.child.poll() is None:
            self.child.send_signal(number)
        try:
            return self.child.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.name} did not stop:\n{self.said()[-4000:]}") from None


@dataclass
class Emulator:
    """A running emulator and what it knows of the truth."""

    process: Process
    url: str

    @classmethod
    def start(cls, folder: Path, *more: str, **environ: str) -> Emulator:
        arguments = ["-m", "realtime_emulator", "--port", "0", "--seed", "7", *more]
        process = Process.start("emulator", arguments, clean_environment(folder) | environ, folder)
        line = until(
            lambda: (
                process.alive() and next((x for x in process.said().splitlines() if '"listening"' in x), None)
            ),
            "the emulator's address",
        )
        return cls(process, str(json.loads(line)["listening"]))

    def ledger(self) -> dict[str, Any]:
        """What truly happened."""
        return dict(requests.get(f"{self.url}/emulator/ledger", timeout=5).json())

    def begin_ledger_anew(self) -> None:
        """Forget what is over."""
        assert requests.delete(f"{self.url}/emulator/ledger", timeout=5).ok

    def call(self, upstream_call_id: str) -> dict[str, Any]:
        """One call's truth."""
        return next(call for call in self.ledger()["calls"] if call["id"] == upstream_call_id)

    def arm(self, mishap: str, **parameters: Any) -> None:
        """Ask for a fault by its name."""
        answer = requests.post(f"{self.url}/emulator/mishaps", json={"name": mishap, **parameters}, timeout=5)
        assert answer.ok, answer.text

    def disarm(self) -> None:
        """Ask for no more faults."""
        assert requests.delete(f"{self.url}/emulator/mishaps", timeout=5).ok

    def talk(self, **settings: Any) -> None:
        """Change the calls of an emulator without media: their pace, their end, what a second sideband meets."""
        answer = requests.post(f"{self.url}/emulator/calls", json=settings, timeout=5)
        assert answer.ok, answer.text

    def script(self, heard: list[str], replies: Mapping[str, str] | None = None) -> None:
        """What the next utterances are understood as, and what is answered."""
        said = {"heard": heard, "replies": dict(replies or {})}
        answer = requests.post(f"{self.url}/emulator/script", json=said, timeout=5)
        assert answer.ok, answer.text


@dataclass
class House:
    """The web and the observer over one call log, with the upstream that a test gives them."""

    folder: Path
    environ: dict[str, str]
    observers: list[Process] = field(default_factory=list)
    web: Process | None = None
    url: str = ""

    @classmethod
    def build(cls, folder: Path, upstream: str, **more: str) -> House:
        """A fresh store for this upstream; nothing runs yet."""
        folder.mkdir(parents=True, exist_ok=True)
        environ = clean_environment(folder) | {
            "AZURE_OPENAI_ENDPOINT": upstream,
            "AZURE_OPENAI_API_KEY": "a-key-of-the-tests",
            "DATABASE_URL": f"sqlite:///{folder}/calls.db",
            "SWITCHBOARD_OPEN_LOOPBACK": "1",
            "LOG_LEVEL": "debug",
            **more,
        }
        house = cls(folder, environ)
        migrations.upgrade(environ["DATABASE_URL"])
        return house

    @property
    def locks(self) -> Path:
        """The folder of its observers' locks and journals."""
        return database_at(self.environ["DATABASE_URL"]).lock_folder

    def start(self) -> House:
        """Observer and web, ready to open calls."""
        self.start_observer()
        self.start_web()
        self.ready()
        return self

    def ready(self) -> None:
        """Wait until a call could be opened."""
        until(lambda: self.alive() and self.get("/readyz").status_code == 200, "a ready house")

    def start_observer(self, *arguments: str) -> Process:
        """One more observer; `arguments` replace `-m observer`."""
        observer = Process.start("observer", list(arguments or ("-m", "observer")), self.environ, self.folder)
        self.observers.append(observer)
        return observer

    def start_web(self, *arguments: str) -> Process:
        """gunicorn on a socket that we bound, so that no port is guessed; `arguments` replace `-m gunicorn`."""
        with socket.create_server(("127.0.0.1", 0)) as bound:
            self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            gunicorn = [*(arguments or ("-m", "gunicorn")), "--bind", f"fd://{bound.fileno()}"]
            self.web = Process.start("web", gunicorn, self.environ, self.folder, (bound.fileno(),))
        until(lambda: self.alive() and self._answers(), "the web's first answer")
        return self.web

    def alive(self) -> bool:
        """Whether everything that was started still runs."""
        return all(process.alive() for process in self._processes())

    def _answers(self) -> bool:
        try:
            return self.get("/healthz").ok
        except requests.ConnectionError:
            return False

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=15, **more)

    def connect(self, offer: bytes | str, **query: str) -> requests.Response:
        """POST /connect with the raw offer."""
        headers = {"Content-Type": "application/sdp"}
        return requests.post(f"{self.url}/connect", data=offer, headers=headers, params=query, timeout=15)

    def hang_up(self, call_id: str, **query: str) -> requests.Response:
        return requests.delete(f"{self.url}/calls/{call_id}", params=query, timeout=15)

    def command(self, call_id: str, asked: object, **more: Any) -> requests.Response:
        """Ask for something to be sent on a call."""
        return requests.post(f"{self.url}/calls/{call_id}/commands", json=asked, timeout=10, **more)

    def settled(self, call_id: str, command_id: str, *states: str) -> dict[str, Any]:
        """A command once it is in one of these states; in any that is final, where none is named."""
        wanted = states or ("confirmed", "refused", "expired", "unknown")
        address = f"/calls/{call_id}/commands/{command_id}"
        return until(
            lambda: (one := self.get(address).json())["state"] in wanted and one, f"{command_id} settled"
        )

    def erase(self, call_id: str) -> requests.Response:
        return requests.delete(f"{self.url}/calls/{call_id}/record", timeout=15)

    def report(self, call_id: str, **said: Any) -> requests.Response:
        """Say something as the call's browser."""
        return requests.post(f"{self.url}/calls/{call_id}/reports", json=said, timeout=15)

    def call(self, call_id: str) -> dict[str, Any]:
        """One call as the API shows it."""
        answer = self.get(f"/calls/{call_id}")
        assert answer.ok, answer.text
        return dict(answer.json())

    def events(self, call_id: str, **query: Any) -> list[dict[str, Any]]:
        """All its events."""
        answer = self.get(f"/calls/{call_id}/events", params={"limit": 1000, **query})
        assert answer.ok, answer.text
        return list(answer.json()["events"])

    def ended(self, call_id: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The call once it is over."""
        return until(
            lambda: (call := self.call(call_id))["state"] in ("ended", "failed") and call,
            "the call's end",
            seconds,
        )

    def observed(self, call_id: str) -> dict[str, Any]:
        """The call once a sideband is attached."""
        return until(lambda: (call := self.call(call_id))["state"] == "observed" and call, "the sideband")

    def logs(self) -> str:
        """Everything that all of its processes wrote."""
        return "\n".join(process.said() for process in self._processes())

    def verify(self) -> None:
        """Every call's chain of seals must fit; for a house that has a key."""
        verify = [sys.executable, "-m", "call_log", "verify"]
        ran = subprocess.run(verify, env=self.environ, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def stop(self) -> None:
        """Stop everything; every process must leave with 0."""
        statuses = {process.name: process.stop() for process in self._processes()}
        assert not any(statuses.values()), f"{statuses}\n" + "\n".join(
            p.said()[-3000:] for p in self._processes()
        )

    def _processes(self) -> list[Process]:
        return [*([self.web] if self.web else []), *self.observers]
