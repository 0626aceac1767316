"""Where the upstream is. This module builds every URL that we call, and reads a call's id out of a `Location` header;
it knows no credential and opens no connection. Ids and names go into URLs, so their shape is checked here."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from realtime.errors import Misconfigured, UpstreamGarbled

OPENAI_BASE = "https://api.openai.com/v1"
LOCATION_LIMIT = 2048  # characters
_CALL_ID = re.compile(r"rtc_[A-Za-z0-9_-]{1,128}")
_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_PRINTABLE = re.compile(r"[!-~]+")

Kind = Literal["azure", "openai"]


@dataclass(frozen=True)
class Upstream:
    """One upstream. `base` ends in `/openai/v1` (azure) or `/v1` (openai), without a slash after it."""

    kind: Kind
    base: str

    @property
    def client_secrets_url(self) -> str:
        return f"{self.base}/realtime/client_secrets"

    @property
    def calls_url(self) -> str:
        """On Azure with `webrtcfilter=on`, which keeps session and instructions from the browser (Azure only)."""
        return f"{self.base}/realtime/calls" + ("?webrtcfilter=on" if self.kind == "azure" else "")

    def hang_up_url(self, upstream_call_id: str) -> str:
        return f"{self.base}/realtime/calls/{quote(upstream_call_id, safe='')}/hangup"

    def sideband_url(self, upstream_call_id: str) -> str:
        """`ws` or `wss`. It carries `call_id` alone: neither model nor api-version may stand beside it."""
        scheme, _, rest = self.base.partition("://")
        return f"{'ws' if scheme == 'http' else 'wss'}://{rest}/realtime?call_id={quote(upstream_call_id, safe='')}"

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a content security policy names a place."""
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.base))

    @property
    def is_loopback(self) -> bool:
        return _is_loopback(urlsplit(self.base).hostname or "")


def azure(endpoint: str) -> Upstream:
    """`https://name.openai.azure.com`, with or without `/openai/v1`. Raises Misconfigured."""
    parts = _split(endpoint, "AZURE_OPENAI_ENDPOINT")
    path = parts.path.rstrip("/").removesuffix("/v1").removesuffix("/openai")
    return Upstream("azure", f"{parts.scheme}://{parts.netloc}{path}/openai/v1")


def openai(base: str = OPENAI_BASE) -> Upstream:
    """`https://api.openai.com/v1`, with or without `/v1`. Raises Misconfigured."""
    parts = _split(base, "OPENAI_BASE_URL")
    path = parts.path.rstrip("/").removesuffix("/v1")
    return Upstream("openai", f"{parts.scheme}://{parts.netloc}{path}/v1")


def azure_resource(name: str) -> Upstream:
    """The resource by its name alone, in Azure's public cloud. Raises Misconfigured."""
    if not _RESOURCE.fullmatch(name):
        raise Misconfigured(
            "AZURE_RESOURCE must be the bare name of the resource (letters, digits, dashes); "
            "for a whole address set AZURE_OPENAI_ENDPOINT."
        )
    return azure(f"https://{name.lower()}.openai.azure.com")


def _split(address: str, setting: str) -> SplitResult:
    address = address.strip()
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port != 0  # reading it raises ValueError when it is no port
    except ValueError:
        port_is_valid, parts = False, SplitResult("", "", "", "", "")
    if not (
        port_is_valid
        and _PRINTABLE.fullmatch(address)
        and parts.hostname
        and parts.scheme in ("http", "https")
    ):
        raise Misconfigured(f"{setting} must be a whole address such as https://name.openai.azure.com.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise Misconfigured(f"{setting} must be a plain address: no user, no ?query, no #fragment.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise Misconfigured(
            f"{setting} must begin with https://, because plain http would send the key in the clear."
        )
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def call_id_from_location(location: str) -> str:
    """The call's id in the `Location` of a 201. Only the id is taken; host and path are never followed.

    Accepts `/v1/realtime/calls/rtc_…` (recorded on Azure and OpenAI, July 2026), an absolute URL, a doubled
    `/calls/calls/`, and `?call_id=rtc_…` (seen in shipped clients). Raises UpstreamGarbled for anything else, and
    where two different ids stand: we would not know which call is ours.
    """
    ids = _ids(location)
    if len(ids) != 1 or not _CALL_ID.fullmatch(ids[0]):
        raise UpstreamGarbled("The upstream opened a call without saying which; try again.")
    return ids[0]


def _ids(location: str) -> list[str]:
    if len(location) > LOCATION_LIMIT or not _PRINTABLE.fullmatch(location):
        return []
    try:
        parts = urlsplit(location)
    except ValueError:
        return []
    segments = [segment for segment in parts.path.split("/") if segment]
    named = [value for key, value in parse_qsl(parts.query, keep_blank_values=True) if key == "call_id"]
    in_path = [segment for segment in segments if segment.startswith("rtc_")]
    if not named and segments[-1:] != in_path[-1:]:
        return []
    return list(dict.fromkeys(named + in_path))
