"""Requests to what the operator runs: signed, bounded, and to the address that was checked."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from observer.outbound import NotSent, Outbound, check_url, signed
from realtime.errors import Misconfigured
from realtime.secret import Secret

Answering = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a server on this machine that does with each connection what it is told."""
    servers: list[socket.socket] = []

    def start(deed: Callable[[socket.socket], None]) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    deed(connection)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/hook"

    yield start
    for server in servers:
        server.close()


def says(answer: bytes) -> Callable[[socket.socket], None]:
    def deed(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return deed


def post(
    url: str, *, private: bool = True, seconds: float = 5.0, most: int = 1_000
) -> tuple[int, bytes, bool]:
    answer = Outbound(private=private).post(url, b"{}", {}, seconds=seconds, most_bytes=most)
    return answer.status, answer.body, answer.is_whole


def test_an_answer_comes_back_as_it_is_and_a_redirect_is_one(answering: Answering) -> None:
    assert post(answering(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))) == (200, b"hi", True)
    elsewhere = b"HTTP/1.1 307 Gone\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    assert post(answering(says(elsewhere))) == (307, b"", True)


def test_an_answer_that_is_too_long_is_cut_off(answering: Answering) -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5_000
    assert post(answering(says(long))) == (200, b"x" * 1_000, False)


def test_no_answer_and_an_answer_that_drips_are_given_up(answering: Answering) -> None:
    over = threading.Event()
    dripped: list[int] = []

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        with contextlib.suppress(OSError):
            while len(dripped) < 500 and not over.wait(0.02):
                connection.sendall(b"x")
                dripped.append(1)

    def stay_silent(connection: socket.socket) -> None:
        over.wait()

    for url in (answering(drip), answering(stay_silent)):
        with pytest.raises(NotSent):
            post(url, seconds=0.3)
    assert len(dripped) < 500, "nobody waited for all of it"
    over.set()


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "192.168.0.1"]
)
def test_inner_addresses_are_not_connected_to_whatever_their_name(name: str) -> None:
    with pytest.raises(NotSent, match="leads to no public address"):
        post(f"http://{name}:9/", private=False)


def test_a_name_that_is_turned_to_an_inner_address_later_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))]
    check_url("here", "https://hooks.example/", private=False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: inner)
    with pytest.raises(NotSent, match=r"hooks\.example leads to no public address"):
        post("https://hooks.example/", private=False)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example/", "https://", "nonsense", "https://me@x.example/", "https://x.example/#a", "http://x.example/",
        "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://169.254.169.254/", "https://192.168.1.1/",
    ],
)  # fmt: skip
def test_an_address_that_nobody_should_be_sent_to_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"^here: "):
        check_url("here", url, private=False)


def test_an_inner_address_that_is_meant_is_taken() -> None:
    for url in ("http://127.0.0.1:8080/hook", "https://10.0.0.1/", "http://app.internal/"):
        check_url("here", url, private=True)


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the Standard Webhooks specification."""
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    plain = signed(Secret("plain"), "m", 1, body)["webhook-signature"]
    digest = hmac.new(b"plain", b"m.1." + body, hashlib.sha256).digest()
    assert plain == "v1," + base64.b64encode(digest).decode()
