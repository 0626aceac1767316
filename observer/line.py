"""What every call of a node is followed with. Made once, handed to each."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from call_log.store import Store
from observer.limits import Limits
from observer.redaction import Redactions
from observer.writer import Writer
from realtime.client import Client
from realtime.credential import Credential
from realtime.endpoints import Upstream
from realtime.prices import Prices


@dataclass(frozen=True)
class Line:
    """What every call of a node is followed with."""

    node_id: str
    upstream: Upstream
    credential: Credential
    client: Client
    tls: ssl.SSLContext
    store: Store
    prices: Prices
    writer: Writer
    limits: Limits
    redactions: Redactions
