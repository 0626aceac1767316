"""Tools behind HTTP, against a server that is really there: what it is told, and what of its answer the model gets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from observer.http_tools import HttpTools
from realtime.errors import Misconfigured
from realtime.profiles import Profiles
from realtime.secret import Secret
from tests.observer.test_commands import SILENT
from tests.observer.test_tools import Talk
from tests.processes import ROOT, Emulator, House

SECRET = "a-secret-of-the-tests"
KINDS = ("echo", "redirect", "slow", "drip", "huge", "binary", "broken", "away")


class Far(BaseHTTPRequestHandler):
    """The operator's server; what it does is in the path."""

    asked: list[tuple[str, dict[str, str], bytes]]
    over: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked.append((self.path, headers, body))
        kind = self.path.strip("/")
        if kind == "slow":
            self.over.wait()
        elif kind == "redirect":
            self.send_response(307)
            self.send_header("location", "/echo")
            self.send_header("content-length", "0")
            self.end_headers()
        elif kind == "broken":
            self._answer(500, b'{"secret": "of the server"}')
        else:
            said = {"huge": b"x" * 5_000_000, "binary": b"\xff\xfe\x00"}.get(kind, b'{"ok": true}')
            self._answer(200, said)

    def _answer(self, status: int, said: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        try:
            self.wfile.write(said)
        except OSError:
            self.close_connection = True  # whoever asked has read enough

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def far() -> Iterator[ThreadingHTTPServer]:
    over = threading.Event()
    made = type("Asked", (Far,), {"asked": [], "over": over})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def table(name: str, url: str, more: str = "private = true\ntimeout = 1") -> str:
    head = f'[default.tools.{name}]\nkind = "http"\nurl = "{url}"\ndescription = "d"\n'
    return head + f'parameters = {{type = "object"}}\n{more}\n'


def profiles(folder: Path, *tables: str) -> Path:
    file = folder / "profiles.toml"
    file.write_text("\n".join(['[default]\nmodel = "m"\ntranscription = false', *tables]))
    return file


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory, far: ThreadingHTTPServer) -> Iterator[Talk]:
    folder = tmp_path_factory.mktemp("http")
    url = f"http://127.0.0.1:{far.server_address[1]}"
    # Nobody listens at the port that the emulator had.
    file = profiles(
        folder, *(table(kind, f"{url}/{kind}") for kind in KINDS[:-1]), table("away", "http://127.0.0.1:9")
    )
    emulator = Emulator.start(folder, *SILENT)
    more = {"SWITCHBOARD_PROFILES": str(file), "SWITCHBOARD_WEBHOOK_SECRET": SECRET}
    house = House.build(folder, emulator.url, **more).start()
    yield Talk(house, emulator)
    house.stop()
    emulator.process.stop()


def test_the_server_is_told_who_asks_and_can_hold_it_to_the_signature(talk: Talk, far: Any) -> None:
    before = len(talk.sent("conversation.item.create"))
    talk.ask("Echo!", ("echo", {"city": "Zürich"}))
    assert talk.outputs(before + 1)[-1] == {"ok": True}
    (run,) = [one for one in talk.runs() if one["name"] == "echo"]
    path, headers, body = far.RequestHandlerClass.asked[-1]
    assert (path, json.loads(body)) == (
        "/echo",
        {
            "call_id": talk.call_id,
            "caller": "loopback",
            "profile": "default",
            "function_call_id": run["function_call_id"],
            "name": "echo",
            "arguments": {"city": "Zürich"},
        },
    )
    said = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    digest = base64.b64encode(hmac.new(SECRET.encode(), said, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert SECRET not in talk.house.logs()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("redirect", "failed"),
        ("broken", "failed"),
        ("away", "failed"),
        ("slow", "timeout"),
        ("huge", "too_large"),
        ("binary", "bad_result"),
    ],
)
def test_whatever_goes_wrong_the_model_is_told_and_the_call_goes_on(
    talk: Talk, far: Any, kind: str, code: str
) -> None:
    before = len(talk.sent("conversation.item.create"))
    asked = len(far.RequestHandlerClass.asked)
    talk.ask(f"Now {kind}.", (kind, {}))
    told = talk.outputs(before + 1)[-1]
    assert list(told) == ["error"] and "of the server" not in told["error"]
    assert [one["code"] for one in talk.settled(kind)] == [code]
    # Once, and nowhere else: no second try, and nobody was led to /echo.
    assert [path for path, _, _ in far.RequestHandlerClass.asked[asked:]] == (
        [] if kind == "away" else [f"/{kind}"]
    )


INNER = (
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/x",
    "https://[::1]/x",
    "https://[fd00::1]/x",
    "http://tools.example.com/x",
    "ftp://tools.example.com/x",
)


@pytest.mark.parametrize("url", INNER)
def test_an_inner_address_is_refused_at_the_start(tmp_path: Path, url: str) -> None:
    file = profiles(tmp_path, table("t", url, ""))
    with pytest.raises(Misconfigured, match=r"\[default\.tools\.t\]"):
        HttpTools(Profiles.load(file), Secret(SECRET))


def test_an_observer_with_a_tool_that_it_cannot_sign_for_does_not_start(tmp_path: Path) -> None:
    file = profiles(tmp_path, table("t", "https://tools.example.com/x", ""))
    house = House.build(tmp_path, "http://127.0.0.1:9", SWITCHBOARD_PROFILES=str(file))
    ran = subprocess.run(
        [sys.executable, "-m", "observer"],
        env=house.environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1 and "SWITCHBOARD_WEBHOOK_SECRET" in ran.stderr
