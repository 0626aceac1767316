"""What every call of a node is followed with. Made once, handed to each."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from call_log.nodes import NodeLock
from call_log.seal import Seal
from call_log.store import Store
from observer.guardrails import Guardrails
from observer.http_tools import HttpTools
from observer.limits import Limits
from observer.redaction import Redactions
from observer.tool_pool import Pool
from observer.writer import Writer
from realtime.client import Client
from realtime.credential import Credential
from realtime.endpoints import Upstream
from realtime.fields import Event
from realtime.prices import Prices
from realtime.profiles import Profiles

TURN_SECONDS = 0.1
TURNS_WAITED = 50


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
    tool_pool: Pool
    http_tools: HttpTools
    leaving: asyncio.Event
    """Set once this node hands its calls over: what breaks now is the next holder's to mend."""
    seal: Seal | None = None
    """None: events are written unsealed."""

    async def reading_turn(self) -> None:
        """Wait, for a while, as long as many calls are being dialled: what is read meanwhile makes all of them late."""
        for _ in range(TURNS_WAITED):
            if not self.dials.locked():
                return
            await asyncio.sleep(TURN_SECONDS)

    @property
    def takes_many_over(self) -> bool:
        """Whether so many calls are being dialled, or read, that one more would wait."""
        return self.dials.locked() or self.reads.locked()

    def session_of(self, profile: str) -> Event:
        """The session as the profile has it now; empty where there is no such profile any more."""
        found = self.profiles.get(profile)
        return found.session_object() if found else {}
