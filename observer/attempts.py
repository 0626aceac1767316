"""Dialling one call's sideband until it is attached: how fast again, and what is noted of a refusal.

Knows one run of attempts, from the moment when a sideband was wanted. What a refusal means for the call is not
decided here.
"""

from __future__ import annotations

import asyncio
import random

import structlog

from call_log.call import Call
from observer import sideband
from observer.line import Line
from observer.record import Record
from observer.sideband import Refused, Sideband, Unreachable
from realtime.errors import UpstreamError, retry_seconds
from realtime.logs import scrubbed
from realtime.secret import SHOWN

log = structlog.get_logger()

UNAUTHORISED = frozenset({401, 403})
BUSY = frozenset({429, 503})


class Attempts:
    """Make one when a sideband is wanted, and another one the next time."""

    def __init__(self, call: Call, line: Line, record: Record) -> None:
        self._call, self._line, self._record = call, line, record
        self._began, self._pause = self._now(), line.limits.first_retry
        self._noted: int | None = None
        self._renewed, self._told_to_wait = False, 0.0
        self.dials = 0

    @property
    def seconds(self) -> float:
        """For how long the sideband has been wanted."""
        return self._now() - self._began

    @property
    def are_too_many(self) -> bool:
        """Nobody has answered for this call for too long."""
        return self.seconds > self._line.limits.unobserved_kept

    def next_pause(self) -> float:
        """Seconds before the next dial: doubling, jittered; long ones once the call is given up as `unobserved`; never
        before the time that the upstream named, nor behind the end of our patience."""
        limits, pause = self._line.limits, self._pause
        self._pause = min(pause * 2, limits.longest_retry)
        if self.seconds > limits.attach_retried:
            pause = limits.slow_retry
        pause = max(pause * random.uniform(0.75, 1.25), self._told_to_wait * random.uniform(1.0, 1.25))
        return min(pause, limits.unobserved_kept - self.seconds + limits.first_retry)

    async def dial(self) -> Sideband | int | None:
        """The sideband, or the status of its refusal, or None where the upstream could not be reached."""
        self.dials += 1
        self._told_to_wait = 0.0
        headers: dict[str, str] = {}
        try:
            headers = await asyncio.to_thread(self._line.credential.headers)
            url = self._line.upstream.sideband_url(str(self._call.upstream_call_id))
            async with self._line.dials:
                return await sideband.dial(url, headers, self._line.tls, self._line.limits)
        except Refused as refusal:
            self._note(refusal.status, _without(headers, refusal.body))
            await self._learn(refusal, headers)
            return refusal.status
        except (Unreachable, UpstreamError) as error:
            self._note(None, str(error))
            return None

    async def _learn(self, refusal: Refused, headers: dict[str, str]) -> None:
        if refusal.status in BUSY and refusal.retry_after is not None:
            self._told_to_wait = retry_seconds(refusal.retry_after)
        if refusal.status in UNAUTHORISED and not self._renewed:
            self._renewed = True
            await asyncio.to_thread(self._line.credential.renew, headers)

    def _note(self, status: int | None, said: str) -> None:
        """Once for each run of equal refusals: a 404 is met every second."""
        if self._noted != (status or 0):
            self._noted = status or 0
            self._record.note("observer.attach_refused", status=status, said=said)
            log.info("sideband_refused", call_id=self._call.call_id, status=status)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _without(headers: dict[str, str], said: str) -> str:
    """What the upstream said, without our own credential, which it may have echoed, and whatever looks like one."""
    for value in headers.values():
        said = said.replace(value.removeprefix("Bearer "), SHOWN)
    return scrubbed(said)
