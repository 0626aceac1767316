"""The command line's end of HTTP, on real sockets: what it sends, and what it makes of answers that are none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from switchboard.service import Service, Trouble

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve one answer for ever; `heard` gets what was asked."""
    running: list[tuple[HTTPServer, threading.Thread]] = []

    def start(status: int, body: bytes, heard: list[dict[str, str]] | None = None, **headers: str) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if heard is not None:
                    heard.append(dict(self.headers) | {"path": self.path})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        server = HTTPServer(("127.0.0.1", 0), Answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def trouble(url: str) -> Trouble:
    with pytest.raises(Trouble) as told:
        Service(url, "a-grant").get("/calls")
    assert told.value.exit_code == 2
    return told.value


def test_a_grant_goes_along_and_what_is_not_given_is_not_asked(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    heard: list[dict[str, str]] = []
    url = serve(200, b'{"calls": []}', heard)
    assert Service(f"{url}/", "a-grant").get("/calls", state=None, limit=2) == {"calls": []}
    assert (heard[0]["Authorization"], heard[0]["path"]) == ("Bearer a-grant", "/calls?limit=2")
    Service(url).get("/calls")
    assert "Authorization" not in heard[1]


def test_a_grant_follows_no_redirect(serve: Serve) -> None:
    heard: list[dict[str, str]] = []
    other = serve(200, b"{}", heard)
    told = trouble(serve(302, b"", Location=f"{other}/calls"))
    assert "status 302" in str(told) and heard == []


@pytest.mark.parametrize(
    ("status", "body", "headers", "said", "passing"),
    [
        (
            503,
            b'{"detail": "Try again.", "code": "store_unavailable"}',
            {},
            "Try again. [store_unavailable]",
            True,
        ),
        (404, b'{"detail": "No call.", "code": "no_such_call"}', {}, "No call. [no_such_call]", False),
        (403, b"<html>", {}, "which says no more", False),
        (502, b"[]", {}, "which says no more", True),
        (200, b"<html>Hello</html>", {}, "is no Switchboard", False),
        (200, b"[1]", {}, "is no Switchboard", False),
        (200, b"{", {"Content_Length": "100"}, "broke off", True),
    ],
)
def test_an_answer_that_is_none_is_one_sentence(
    serve: Serve, status: int, body: bytes, headers: dict[str, str], said: str, passing: bool
) -> None:
    told = trouble(serve(status, body, **headers))
    assert said in str(told) and told.passing is passing


def test_a_file_that_breaks_off_is_not_taken_for_a_whole_one(serve: Serve) -> None:
    url = serve(200, b"half", Content_Length="8")
    with pytest.raises(Trouble, match="broke off"):
        list(Service(url).read("/calls"))


def test_what_a_server_says_moves_no_terminal(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    trouble(serve(400, b'{"detail": "\\u001b[2J", "code": "c"}')).show()
    assert capsys.readouterr().err == "switchboard: \\x1b[2J [c]\n"
