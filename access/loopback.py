"""The open loopback: on one's own machine, one's own browser needs no grant.

Knows how a request from this machine looks. Refuses to know frameworks: it is given plain strings.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from access.principal import Principal, Role

OPEN_LOOPBACK = Principal("loopback", frozenset({Role.CALLER, Role.OPERATOR, Role.TOKEN}))
FORWARDING_HEADERS = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"}
)


def from_open_loopback(peer: str | None, host: str, headers: Iterable[str]) -> Principal | None:
    """The open loopback's principal, or None where the request does not plainly come from this machine.

    `peer` is the socket's address, `host` the Host header, `headers` the names of all headers. A forwarding
    header means that a proxy stands between, and then the peer's address says nothing about the caller. The
    Host must be a loopback name too, or any site could reach in by pointing its own name at 127.0.0.1.
    """
    if not _is_loopback_address(peer) or not _is_loopback_host(host):
        return None
    if any(name.lower() in FORWARDING_HEADERS for name in headers):
        return None
    return OPEN_LOOPBACK


def _is_loopback_host(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    return name == "localhost" or _is_loopback_address(name)


def _is_loopback_address(text: str | None) -> bool:
    try:
        return text is not None and ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
