"""Requests to what the operator runs: the webhook, and tools behind HTTP. Signed, bounded, and never led elsewhere.

Knows how such a request is made and how an answer is read. An address is checked when it is connected to, and the very
address that was checked is used: a name may point elsewhere a moment later (DNS rebinding). What is said is others'.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from realtime.errors import Misconfigured
from realtime.secret import Secret

CONNECT_SECONDS = 3.0
READ_AT_ONCE = 16 * 1024
SIGNED_WITH = "v1"


class NotSent(Exception):
    """No answer came; the words say why, without any of what was sent."""


class NotPublic(OSError):
    """The name leads to an address of this machine or of an inner network."""


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is at most as long as was asked for; `is_whole` says whether that was all."""

    status: int
    body: bytes
    is_whole: bool


def check_url(where: str, url: str, *, private: bool) -> None:
    """Refuse an address that nobody should be sent to. Raises Misconfigured with one sentence that begins with `where`.

    `private`: the operator says that it is on this machine or in an inner network, and wants that.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.fragment:
        raise Misconfigured(f"{where}: must be an https:// address without user names and fragments.")
    if parts.scheme == "http" and not private:
        raise Misconfigured(
            f"{where}: must be https://, because what is sent there is nobody else's to read."
        )
    literal = _address(parts.hostname)
    if not private and (parts.hostname == "localhost" or (literal is not None and not literal.is_global)):
        raise Misconfigured(
            f"{where}: {parts.hostname} is an address of this machine or of an inner network; if you mean it, say so "
            "with private."
        )


def signed(secret: Secret, message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of the Standard Webhooks scheme: an id that is the same at each try, the time (UTC seconds), and an
    HMAC-SHA256 over both and the body. A secret that begins with `whsec_` is base64 behind that."""
    said = b".".join((message_id.encode(), str(at).encode(), body))
    digest = base64.b64encode(hmac.new(_key(secret), said, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"{SIGNED_WITH},{digest}",
    }


def _key(secret: Secret) -> bytes:
    text = secret.reveal()
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise Misconfigured("SWITCHBOARD_WEBHOOK_SECRET begins with whsec_, but no base64 follows.") from None


class Outbound:
    """Sends from any thread; connections are kept and used again."""

    def __init__(self, *, private: bool) -> None:
        self._adapter = _Adapter(private=private)
        self._threads = threading.local()

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, most_bytes: int
    ) -> Answer:
        """One request and its answer; a redirect is an answer like any other. Raises NotSent. An answer that drips is
        given up after `seconds`, one that then falls silent after as many again."""
        until = time.monotonic() + seconds
        sent = {
            "content-type": "application/json",
            "user-agent": "switchboard",
            "accept-encoding": "identity",
        } | dict(headers)
        try:
            with self._session().post(
                url,
                data=body,
                headers=sent,
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return _read(response, until, most_bytes)
        except NotPublic as error:
            raise NotSent(str(error)) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise NotSent(_why(error)) from None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
            session.trust_env = False  # no proxy, no netrc of whoever started us
            session.mount("https://", self._adapter)
            session.mount("http://", self._adapter)
        return session


def _read(response: requests.Response, until: float, most_bytes: int) -> Answer:
    """A read's timeout bounds each read alone: an answer that drips is cut off here."""
    body = b""
    # read1: whatever has come. `iter_content` would wait for a full piece of something that drips.
    while piece := response.raw.read1(READ_AT_ONCE):
        body += piece
        if len(body) > most_bytes:
            return Answer(response.status_code, body[:most_bytes], is_whole=False)
        if time.monotonic() > until:
            raise NotSent("the answer took too long")
    return Answer(response.status_code, body, is_whole=True)


def _why(error: Exception) -> str:
    """The kind of trouble alone: a library's message may hold the address with whatever is in its query."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NotPublic):
            return str(cause)
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if not isinstance(cause, BaseException):
            break
    return type(error).__name__


# -- connecting to the address that was checked ---------------------------------------------------------------------


def connect(host: str, port: int, seconds: float, *, private: bool) -> socket.socket:
    """A TCP connection to the first address of a name that may be used. Raises NotPublic, or OSError."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    allowed = [one for one in found if private or _is_public(str(one[4][0]))]
    if not allowed:
        raise NotPublic(f"{host} leads to no public address")
    last: OSError | None = None
    for _, _, _, _, address in allowed:
        try:
            return socket.create_connection((str(address[0]), int(address[1])), seconds)
        except OSError as error:
            last = error
    raise last or OSError("no address")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _is_public(text: str) -> bool:
    address = _address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_global and not (mapped or address).is_multicast


def _pools(*, private: bool) -> dict[str, Any]:
    def open_socket(connection: HTTPConnection) -> socket.socket:
        seconds = connection.timeout if isinstance(connection.timeout, float) else CONNECT_SECONDS
        return connect(connection.host, int(connection.port or 0), seconds, private=private)

    class Plain(HTTPConnection):
        _new_conn = open_socket

    class Encrypted(HTTPSConnection):
        _new_conn = open_socket

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class _Adapter(HTTPAdapter):
    def __init__(self, *, private: bool) -> None:
        self._private = private
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        """As requests does it, with pools that connect as told above."""
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **more)
        self.poolmanager.pool_classes_by_scheme = _pools(private=self._private)
