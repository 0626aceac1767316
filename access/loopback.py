"""The open loopback: on one's own machine, one's own pages need no grant.

Knows how a request from this machine's own pages looks. Refuses to know frameworks: it is given plain values.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from access.principal import Principal, Role

OPEN_LOOPBACK = Principal("loopback", frozenset(Role))
FORWARDING_HEADERS = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"}
)
SAME_SITE = frozenset({"same-origin", "none"})


def from_open_loopback(peer: str | None, headers: Mapping[str, str]) -> Principal | None:
    """The open loopback's principal, or None where the request does not plainly come from this machine.

    `peer` is the socket's address, `headers` the request's headers.

    - The Host must be a loopback name, or any site could reach in by pointing its own name at 127.0.0.1.
    - A forwarding header means that a proxy stands between, and then the peer's address says nothing.
    - A form on a foreign site needs no preflight to post to this machine and spend its owner's money: what the
      browser says of the page's origin must be this very host.
    """
    said = {name.lower(): value for name, value in headers.items()}
    host = said.get("host", "")
    if not _is_loopback_address(peer) or not _is_loopback_host(host):
        return None
    if FORWARDING_HEADERS & said.keys():
        return None
    return OPEN_LOOPBACK if _from_own_page(said, host) else None


def _from_own_page(said: Mapping[str, str], host: str) -> bool:
    if said.get("sec-fetch-site", "none") not in SAME_SITE:
        return False
    origin = said.get("origin")
    return origin is None or urlsplit(origin).netloc == host


def _is_loopback_host(host: str) -> bool:
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    name = name.strip("[]").lower()
    return name == "localhost" or _is_loopback_address(name)


def _is_loopback_address(text: str | None) -> bool:
    try:
        return text is not None and ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
