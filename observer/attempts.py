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
from realtime.errors import UpstreamError

log = structlog.get_logger()


class Attempts:
    """Make one when a sideband is wanted, and another one the next time."""

    def __init__(self, call: Call, line: Line, record: Record) -> None:
        self._call, self._line, self._record = call, line, record
        self._began, self._pause = self._now(), line.limits.first_retry
        self._noted: int | None = None

    @property
    def seconds(self) -> float:
        """For how long the sideband has been wanted."""
        return self._now() - self._began

    def next_pause(self) -> float:
        """Seconds before the next dial: doubling, jittered; long ones once the call is given up as `unobserved`."""
        limits, pause = self._line.limits, self._pause
        self._pause = min(pause * 2, limits.longest_retry)
        if self.seconds > limits.attach_retried:
            pause = limits.slow_retry
        return pause * random.uniform(0.75, 1.25)

    async def dial(self) -> Sideband | int | None:
        """The sideband, or the status of its refusal, or None where the upstream could not be reached."""
        try:
            headers = await asyncio.to_thread(self._line.credential.headers)
            url = self._line.upstream.sideband_url(str(self._call.upstream_call_id))
            return await sideband.dial(url, headers, self._line.tls, self._line.limits)
        except Refused as refusal:
            self._note(refusal.status, refusal.body)
            return refusal.status
        except (Unreachable, UpstreamError) as error:
            self._note(None, str(error))
            return None

    def _note(self, status: int | None, said: str) -> None:
        """Once for each run of equal refusals: a 404 is met every second."""
        if self._noted != (status or 0):
            self._noted = status or 0
            self._record.note("observer.attach_refused", status=status, said=said)
            log.info("sideband_refused", call_id=self._call.call_id, status=status)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
