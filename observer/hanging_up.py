"""Ending a call at the upstream, as often as it takes. Knows no reason for it."""

from __future__ import annotations

import asyncio

import structlog

from call_log.call import Call
from observer.line import Line
from realtime.deadline import Deadline
from realtime.errors import UpstreamError

log = structlog.get_logger()

DEADLINE_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 5.0


async def hang_up(line: Line, call: Call) -> bool:
    """Returns when the call is over; True when it was running until then."""
    delay = FIRST_RETRY_SECONDS
    while True:
        try:
            deadline = Deadline(DEADLINE_SECONDS)
            return await asyncio.to_thread(line.client.hang_up, str(call.upstream_call_id), deadline)
        except UpstreamError as error:
            log.error("hang_up_failed", call_id=call.call_id, code=error.code)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)
