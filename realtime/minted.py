"""The answer of `client_secrets`: an ephemeral secret and how long it lives. It reads bytes and asks nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from realtime.errors import UpstreamGarbled
from realtime.events import read
from realtime.secret import Secret

_VALUE = re.compile(r"[!-~]{1,4096}")  # it goes into a header
# Wide on purpose: a clock that is wrong, most likely ours, must not refuse a good secret. Unix seconds.
EARLIEST = 1_500_000_000  # 2017
LATEST = 4_102_444_800  # 2100


@dataclass(frozen=True)
class Minted:
    """`expires_at`: unix seconds. `session_id`: `sess_…`, on Azure that of the later call (recorded July 2026)."""

    value: Secret
    expires_at: int
    session_id: str | None


def read_minted(body: bytes, request_id: str | None = None) -> Minted:
    """Reads `{"value", "expires_at", "session": {"id"}}` (OpenAI's API schema). Raises UpstreamGarbled.

    Whether `expires_at` has passed is for the upstream to judge; here it must only be a time of this century.
    """
    answer = read(body) or {}
    value, expires_at = answer.get("value"), answer.get("expires_at")
    if not (isinstance(value, str) and _VALUE.fullmatch(value) and _is_time(expires_at)):
        raise UpstreamGarbled(
            "The upstream's ephemeral secret cannot be read; try again.", request_id=request_id
        )
    session: Any = answer.get("session")
    session_id = session.get("id") if isinstance(session, dict) else None
    return Minted(Secret(value), int(expires_at or 0), session_id if isinstance(session_id, str) else None)


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and EARLIEST < value < LATEST
