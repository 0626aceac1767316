"""The three things that we ask of the upstream over HTTP: mint, negotiate, hang up.

This module owns the connections: one pool, one TLS context a process, no redirects, no proxies or netrc from the
environment, no cookies, every answer read piece by piece against the deadline and a limit. It decides what may be
repeated; it keeps no state of any call and writes nothing to any log (an offer, an answer and a secret pass through).
"""

from __future__ import annotations

import functools
import http.cookiejar
import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection

from realtime.credential import Credential
from realtime.deadline import Deadline
from realtime.endpoints import Upstream, call_id_from_location
from realtime.errors import (
    Step,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRefused,
    UpstreamUnreachable,
    error_code,
    refusal,
)
from realtime.minted import Minted, read_minted

ANSWER_LIMIT = 256 * 1024  # bytes of one upstream answer
READ_SIZE = 64 * 1024  # bytes
CONNECT_SECONDS = 3.0
SECRET_SECONDS = 60  # life of the ephemeral secret that a negotiation on Azure uses
ATTEMPTS = 3  # of what may be repeated: the first and two more
PAUSE_SECONDS = 0.1  # before a repetition, with as much again by chance
REPEATABLE = frozenset({408, 409, 500, 502, 503, 504})
SHORTEST_WAIT_SECONDS = 0.001  # a timeout of zero would mean another thing to a socket
USER_AGENT = "switchboard"


@dataclass(frozen=True)
class Negotiated:
    """A call that stands. `answer`: the SDP exactly as received. `upstream_call_id` is None when no Location came."""

    answer: bytes
    upstream_call_id: str | None
    request_id: str | None


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    request_id: str | None
    retry_after: str | None
    location: str | None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Client:
    """Speaks with one upstream. Safe to share between threads.

    Every method raises an UpstreamError and keeps to its deadline within the thread; a name that will not resolve is
    the one thing that can hold it longer, so a caller with a hard limit waits for it from outside.
    """

    def __init__(self, upstream: Upstream, credential: Credential, pool_size: int = 64) -> None:
        self._upstream = upstream
        self._credential = credential
        self._session = _session(pool_size)

    def mint(self, session: Mapping[str, Any], seconds: int, deadline: Deadline) -> Minted:
        """An ephemeral secret that lives for `seconds` (10…7200) and carries `session`.

        Tried up to three times on 408, 409, 5xx and broken connections, once more on 401 with fresh headers.
        """
        body = _json({"expires_after": {"anchor": "created_at", "seconds": seconds}, "session": session})

        def once() -> _Answer:
            headers = {**self._credential.headers(), "Content-Type": "application/json"}
            return self._ask("mint", self._upstream.client_secrets_url, deadline, data=body, headers=headers)

        answer = _repeat(once, deadline)
        return read_minted(answer.body, answer.request_id)

    def negotiate(self, offer: bytes, session: Mapping[str, Any], deadline: Deadline) -> Negotiated:
        """Opens a call. The offer is sent byte for byte.

        Azure: mint, then the raw offer with the ephemeral secret (Azure refuses any other form, recorded July 2026).
        OpenAI: one multipart request with the key. Never repeated once a byte of the request may have been read,
        unless the upstream said 401, which opens nothing. An error whose `upstream_call_id` is set leaves a call to
        hang up.
        """
        if self._upstream.kind == "azure":
            secret = self.mint(session, SECRET_SECONDS, deadline).value.reveal()
            return self._call(
                deadline, lambda: {"Authorization": f"Bearer {secret}"}, {"data": offer}, "application/sdp"
            )
        parts = {
            "sdp": (None, offer, "application/sdp"),
            "session": (None, _json(session), "application/json"),
        }
        return _repeat_once_on_401(lambda: self._call(deadline, self._credential.headers, {"files": parts}))

    def hang_up(self, upstream_call_id: str, deadline: Deadline) -> bool:
        """Ends a call. False when it was over already (404, or 400 with `call_id_not_found`), which is as good."""
        url = self._upstream.hang_up_url(upstream_call_id)
        try:
            _repeat(lambda: self._ask("hang_up", url, deadline, headers=self._credential.headers()), deadline)
        except UpstreamRefused as refused:
            if not _is_over(refused):
                raise
            return False
        return True

    def close(self) -> None:
        self._session.close()

    def _call(
        self,
        deadline: Deadline,
        identify: Callable[[], dict[str, str]],
        content: Mapping[str, Any],
        content_type: str | None = None,
    ) -> Negotiated:
        headers = {**identify(), "Accept": "application/sdp"}
        if content_type:
            headers["Content-Type"] = content_type
        ask = functools.partial(
            self._ask, "call", self._upstream.calls_url, deadline, headers=headers, **content
        )
        try:
            answer = ask()
        except _Refused:
            answer = ask()
        return _negotiated(answer)

    def _ask(self, step: Step, url: str, deadline: Deadline, **content: Any) -> _Answer:
        """One POST, read to its end. Raises for any status that is not 2xx."""
        if deadline.passed:
            raise UpstreamUnreachable.timeout()
        patience = (min(CONNECT_SECONDS, deadline.remaining()), deadline.remaining())
        try:
            response = self._session.post(
                url, timeout=patience, stream=True, allow_redirects=False, **content
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as cause:
            raise _unreachable(cause, deadline) from cause
        try:
            return _read(step, response, deadline)
        finally:
            response.close()


class _Refused(UpstreamUnreachable):
    """Nobody listens there: no byte was sent, so even a call may be tried again."""


def _repeat(once: Callable[[], _Answer], deadline: Deadline) -> _Answer:
    """For what does no harm when done twice."""
    fresh_headers_tried = False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return once()
        except UpstreamError as error:
            unauthorized = error.upstream_status == 401
            may_repeat = not fresh_headers_tried if unauthorized else _may_repeat(error)
            fresh_headers_tried |= unauthorized
            pause = PAUSE_SECONDS * (1 + random.random())
            if attempt == ATTEMPTS or not may_repeat or deadline.remaining() <= pause:
                raise
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _may_repeat(error: UpstreamError) -> bool:
    if isinstance(error, UpstreamRefused):
        return error.upstream_status in REPEATABLE
    return isinstance(error, UpstreamUnreachable) and error.code == "upstream_unreachable"


def _repeat_once_on_401(once: Callable[[], Negotiated]) -> Negotiated:
    try:
        return once()
    except UpstreamRefused as refused:
        if refused.upstream_status != 401:
            raise
        return once()


def _is_over(refused: UpstreamRefused) -> bool:
    if refused.upstream_status == 404:
        return True
    return refused.upstream_status == 400 and error_code(refused.upstream_body) == "call_id_not_found"


def _read(step: Step, response: requests.Response, deadline: Deadline) -> _Answer:
    """The whole answer, or an error that names the call which may stand behind it."""
    request_id = _request_id(response)
    succeeded = 200 <= response.status_code < 300
    call_id = _possible_call_id(response) if step == "call" else None
    try:
        body = _body(response, deadline)
    except UpstreamError as error:
        if succeeded or error.code == "upstream_timeout":
            error.upstream_call_id, error.request_id = call_id, request_id
            raise
        body = b""  # the status alone says enough
    answer = _Answer(
        response.status_code,
        body,
        request_id,
        response.headers.get("Retry-After"),
        response.headers.get("Location"),
    )
    if not succeeded:
        raise refusal(
            step,
            answer.status,
            body=answer.text,
            retry_after=answer.retry_after,
            request_id=request_id,
            upstream_call_id=call_id,
        )
    return answer


def _body(response: requests.Response, deadline: Deadline) -> bytes:
    wire = getattr(response.raw.connection, "wire", None)
    pieces: list[bytes] = []
    size = 0
    while True:
        if deadline.passed:
            raise UpstreamUnreachable.timeout()
        if wire is not None:
            wire.settimeout(max(deadline.remaining(), SHORTEST_WAIT_SECONDS))
        try:
            piece = response.raw.read1(READ_SIZE, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as cause:
            raise _unreachable(cause, deadline) from cause
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if size > ANSWER_LIMIT:
            raise UpstreamGarbled("The upstream's answer is far too long to be one; try again.")


def _negotiated(answer: _Answer) -> Negotiated:
    try:
        call_id = call_id_from_location(answer.location) if answer.location is not None else None
    except UpstreamGarbled as garbled:
        garbled.request_id = answer.request_id
        raise
    if answer.status not in (200, 201) or not answer.body.startswith(b"v=0"):
        raise UpstreamGarbled(
            "The upstream's answer is no SDP; try again.",
            upstream_status=answer.status,
            upstream_body=answer.text,
            request_id=answer.request_id,
            upstream_call_id=call_id,
        )
    return Negotiated(answer.body, call_id, answer.request_id)


def _possible_call_id(response: requests.Response) -> str | None:
    if 300 <= response.status_code < 400:
        return None  # a redirect's Location is not a call
    try:
        return call_id_from_location(response.headers.get("Location", ""))
    except UpstreamGarbled:
        return None


def _request_id(response: requests.Response) -> str | None:
    found = response.headers.get("apim-request-id") or response.headers.get("x-request-id")
    return found[:128] if found else None


def _unreachable(cause: BaseException, deadline: Deadline) -> UpstreamUnreachable:
    if deadline.passed or isinstance(cause, (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError)):
        return UpstreamUnreachable.timeout()
    if isinstance(cause, requests.ConnectTimeout):
        return UpstreamUnreachable(
            "The upstream cannot be reached; the operator must check endpoint and network."
        )
    if isinstance(_reason(cause), urllib3.exceptions.NewConnectionError):
        return _Refused("The upstream cannot be reached; the operator must check endpoint and network.")
    return UpstreamUnreachable("The connection to the upstream broke off; try again.")


def _reason(cause: BaseException) -> object:
    first = cause.args[0] if cause.args else None
    return getattr(first, "reason", first)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class _OnTime:
    """Keeps the socket for the reader of the body, and cuts it when the status line and headers outlast the timeout:
    a socket's own timeout starts anew with every byte that drips in."""

    wire: Any = None
    sock: Any
    timeout: Any

    def getresponse(self) -> Any:
        self.wire = self.sock
        cut = threading.Timer(self.timeout, _shut, [self.wire])
        cut.daemon = True
        cut.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            cut.cancel()


class _PlainConnection(_OnTime, HTTPConnection):
    pass


class _TlsConnection(_OnTime, HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=tls_context(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # The context holds the authorities already; naming a file here would load it again for each connection.
        conn.cert_reqs = "CERT_REQUIRED"


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: otherwise requests reads a redirect's whole body to prepare the next request."""


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context of this process: the system's authorities (SSL_CERT_FILE is heard) and certifi's.

    A context for each connection would cost 25 ms of CPU and 840 KiB (measured).
    """
    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


def _session(pool_size: int) -> requests.Session:
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"})
    adapter = _Adapter(pool_connections=1, pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _shut(wire: Any) -> None:
    try:
        wire.shutdown(2)
    except OSError:
        return  # closed already: nothing waits any more
