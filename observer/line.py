"""What every call of a node is followed with. Made once, handed to each."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from call_log.nodes import NodeLock
from call_log.seal import Seal
from call_log.store import Store
from observer.guardrails import Guardrails
from observer.limits import Limits
from observer.redaction import Redactions
from observer.writer import Writer
from realtime.client import Client
from realtime.credential import Credential
from realtime.endpoints import Upstream
from realtime.fields import Event
from realtime.prices import Prices
from realtime.profiles import Profiles


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
    profiles: Profiles
    guardrails: Guardrails
    lock: NodeLock
    dials: asyncio.Semaphore
    """So many dials at once: a take-over of many calls must not look like an attack to the upstream."""
    reads: asyncio.Semaphore
    """So many calls at once catch up with what is in the log: dialling must not wait for them."""
    leaving: asyncio.Event
    """Set once this node hands its calls over: what breaks now is the next holder's to mend."""
    seal: Seal | None = None
    """None: events are written unsealed."""

    def session_of(self, profile: str) -> Event:
        """The session as the profile has it now; empty where there is no such profile any more."""
        found = self.profiles.get(profile)
        return found.session_object() if found else {}
