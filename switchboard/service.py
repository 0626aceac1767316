"""The HTTP API as the command line meets it: one address, one grant, plain answers.

Knows how to ask and how to pass a refusal on: one sentence that says whose fault it is and what to do next. Knows no
route and nothing of calls.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from switchboard.plain import harmless

ANSWER_SECONDS = 15.0
CHUNK_BYTES = 64 * 1024


class Trouble(click.ClickException):
    """Why it can't be done, in one sentence; leaves with status 2. `passing`: trying again may help."""

    exit_code = 2

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing

    def show(self, file: Any = None) -> None:
        click.echo(f"switchboard: {harmless(self.message)}", err=True)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """A grant must not follow an answer to another address."""


class Service:
    """A Switchboard at an address. Every method raises Trouble."""

    def __init__(self, url: str, grant: str | None = None) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise Trouble(f"{url!r} is no address; give --url or SWITCHBOARD_URL as http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        self._grant = {"Authorization": f"Bearer {grant}"} if grant else {}
        # No proxy of the environment: a forwarded request is a stranger's to the open loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """A JSON object; what is None is not asked."""
        return self._json(self._ask("GET", path, query))

    def post(self, path: str, body: Mapping[str, object], **headers: str) -> dict[str, Any]:
        """Post a JSON object; `Idempotency_Key` becomes a header's name."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._json(self._ask("POST", path, {}, json.dumps(body).encode(), named))

    def read(self, path: str, **query: object) -> Iterator[bytes]:
        """Whatever stands there, piece by piece."""
        with self._ask("GET", path, query) as answer:
            while True:
                try:
                    piece = answer.read(CHUNK_BYTES)
                except (OSError, http.client.HTTPException):
                    raise self._broken_off() from None
                if not piece and answer.length:  # less came than was promised; http.client lets that pass
                    raise self._broken_off()
                if not piece:
                    return
                yield piece

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        request = urllib.request.Request(  # noqa: S310  # its scheme was checked
            f"{self.url}{path}{'?' if asked else ''}{asked}",
            body,
            dict(headers or {}) | self._grant,
            method=method,
        )
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            return self._opener.open(request, timeout=ANSWER_SECONDS)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _refused(refusal) from None
        except (OSError, http.client.HTTPException) as fault:
            raise self._away(fault) from None

    def _json(self, answer: Any) -> dict[str, Any]:
        with answer:
            try:
                said = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                raise self._broken_off() from None
            except ValueError:
                said = None
        if not isinstance(said, dict):
            raise Trouble(f"what answers at {self.url} is no Switchboard; correct --url or SWITCHBOARD_URL")
        return said

    def _away(self, fault: Exception) -> Trouble:
        reason = getattr(fault, "reason", None) or fault
        return Trouble(
            f"nothing answers at {self.url} ({reason}); start it with `switchboard up`, or say where it is with "
            "--url or SWITCHBOARD_URL",
            passing=True,
        )

    def _broken_off(self) -> Trouble:
        return Trouble(f"{self.url} broke off in the middle of its answer; try again", passing=True)


def _refused(refusal: urllib.error.HTTPError) -> Trouble:
    try:
        problem = json.loads(refusal.read())
        detail, code = str(problem["detail"]), str(problem["code"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return Trouble(
            f"status {refusal.code} from {refusal.url}, which says no more; ask whoever runs it",
            passing=refusal.code >= 500,
        )
    return Trouble(f"{detail} [{code}]", passing=refusal.code in (429, 503, 504))
