"""The operator's webhook, against a real receiver: what it is told, how it can trust it, and what happens when it is
away."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.observer.scenes import OFFER
from tests.observer.test_commands import SILENT
from tests.processes import Emulator, House, until

SECRET = base64.b64encode(b"a secret of the tests, 32 bytes.").decode()
QUICK = (
    "from call_log import deliveries; deliveries.RETRIES_MS = (300,) * 9; deliveries.LEASE_MS = 1_500; "
    "from observer.__main__ import main; main()"
)


class Receiver:
    """Notes what comes and answers as told; `held` keeps it from answering."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.statuses: list[int] = []
        self.held = threading.Event()
        self.held.set()
        receiver = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                assert trusted(headers, body)
                receiver.got.append((headers, json.loads(body)))
                receiver.held.wait(20)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def told(self, type: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
        return [one for one in self.got if one[1]["type"] == type]

    def close(self) -> None:
        self.held.set()
        self._server.shutdown()
        self._server.server_close()


def trusted(headers: dict[str, str], body: bytes) -> bool:
    """As the Standard Webhooks specification tells a receiver to look."""
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(SECRET), said, hashlib.sha256).digest()
    return hmac.compare_digest(headers["webhook-signature"], "v1," + base64.b64encode(digest).decode())


@pytest.fixture(scope="module")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator.start(tmp_path_factory.mktemp("far_end"), *SILENT)
    yield running
    running.process.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiving = Receiver()
    yield receiving
    receiving.close()


@pytest.fixture
def telling(
    tmp_path: Path, far_end: Emulator, receiver: Receiver, store_of_house: dict[str, str]
) -> Iterator[House]:
    """A house that tells the receiver, over either store."""
    told = {
        "SWITCHBOARD_WEBHOOK_URL": receiver.url,
        "SWITCHBOARD_WEBHOOK_SECRET": f"whsec_{SECRET}",
        "SWITCHBOARD_WEBHOOK_PRIVATE": "1",
    }
    built = House.build(tmp_path / "house", far_end.url, **told, **store_of_house)
    built.start_observer("-c", QUICK)
    built.start_web()
    built.ready()
    yield built
    built.stop()


def one_call(house: House) -> str:
    call_id = house.connect(OFFER).headers["X-Call-Id"]
    house.observed(call_id)
    house.hang_up(call_id)
    house.ended(call_id)
    return str(call_id)


def test_it_is_told_of_an_answer_and_an_end_once_each(telling: House, receiver: Receiver) -> None:
    call_id = one_call(telling)
    until(lambda: len(receiver.got) == 2, "both")
    ((_, answered),) = receiver.told("call.answered")
    ((_, ended),) = receiver.told("call.ended")
    assert answered["data"]["call_id"] == ended["data"]["call_id"] == call_id
    call = telling.call(call_id)
    assert ended["data"]["end"] == call["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
    assert (answered["timestamp"], ended["timestamp"]) == (call["answered_at"], call["ended_at"])
    assert ended["data"]["summary"]["turns"] == call["summary"]["turns"]
    assert SECRET not in telling.logs()


def test_a_receiver_that_stumbles_is_told_again_under_the_same_id(telling: House, receiver: Receiver) -> None:
    receiver.statuses += [500, 307, 503]
    one_call(telling)
    until(lambda: len(receiver.got) >= 5 and receiver.told("call.ended"), "all of it")
    for type in ("call.answered", "call.ended"):
        tries = receiver.told(type)
        assert len({headers["webhook-id"] for headers, _ in tries}) == 1
    assert "webhook_refused" in telling.logs()


def test_what_an_observer_died_with_is_told_by_the_next(telling: House, receiver: Receiver) -> None:
    receiver.held.clear()
    one_call(telling)
    until(lambda: receiver.got, "the first try")
    (dying,) = telling.observers
    dying.stop(signal.SIGKILL)
    telling.observers.clear()
    first = receiver.got[0][0]["webhook-id"]
    receiver.held.set()
    telling.start_observer("-c", QUICK)
    until(lambda: len([h for h, _ in receiver.got if h["webhook-id"] == first]) > 1, "the second try")
    until(lambda: receiver.told("call.ended"), "the end")


def test_a_webhook_without_a_secret_or_at_an_inner_address_stops_the_start(
    tmp_path: Path, far_end: Emulator, receiver: Receiver
) -> None:
    for more, why in (
        ({"SWITCHBOARD_WEBHOOK_PRIVATE": "1"}, "set SWITCHBOARD_WEBHOOK_SECRET too"),
        ({"SWITCHBOARD_WEBHOOK_SECRET": "x"}, "must be https://"),
        ({"SWITCHBOARD_WEBHOOK_SECRET": "whsec_?", "SWITCHBOARD_WEBHOOK_PRIVATE": "1"}, "no base64 follows"),
    ):
        house = House.build(tmp_path / why[:4], far_end.url, SWITCHBOARD_WEBHOOK_URL=receiver.url, **more)
        observer = house.start_observer()
        assert observer.child.wait(20) == 1
        assert why in observer.said() and "Traceback" not in observer.said()
        house.observers.clear()
