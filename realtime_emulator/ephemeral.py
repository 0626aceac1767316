"""The ephemeral secrets that were minted, each with the session it was minted for. Opens no call."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realtime_emulator.dialects import Dialect
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.refusals import Mistake, invalid_type, unsupported_value

SHORTEST_SECONDS = 10
LONGEST_SECONDS = 7200
KEPT_SECRETS = 10_000


@dataclass
class EphemeralSecret:
    """`session_id` serves the first call opened with it, as recorded on Azure; later calls get their own."""

    value: str
    expires_at: int
    session: dict[str, Any]
    session_id: str | None


class EphemeralSecrets:
    def __init__(self, ids: Identifiers, clock: Callable[[], float] = time.time) -> None:
        self._ids, self._clock = ids, clock
        self._kept: dict[str, EphemeralSecret] = {}

    def mint(self, session: dict[str, Any], session_id: str, seconds: int) -> EphemeralSecret:
        value = f"ek_{self._ids.hexadecimal(32)}"
        secret = EphemeralSecret(value, int(self._clock()) + seconds, session, session_id)
        self._kept[value] = secret
        if len(self._kept) > KEPT_SECRETS:
            del self._kept[next(iter(self._kept))]
        return secret

    def find(self, value: str) -> EphemeralSecret | None:
        """The secret, unless it is unknown or past its time."""
        secret = self._kept.get(value)
        return secret if secret and self._clock() < secret.expires_at else None


def read_lifetime(dialect: Dialect, wanted: object) -> int:
    """Seconds from the request's `expires_after`; the dialect's default without one. Raises `Mistake`."""
    if wanted is None:
        return dialect.secret_seconds
    if not isinstance(wanted, dict):
        raise invalid_type("expires_after", "an object")
    if wanted.get("anchor", "created_at") != "created_at":
        raise unsupported_value("expires_after.anchor", wanted["anchor"], ("created_at",))
    seconds = wanted.get("seconds", dialect.secret_seconds)
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise invalid_type("expires_after.seconds", "an integer")
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise Mistake(
            "invalid_value",
            f"Invalid 'expires_after.seconds': expected {SHORTEST_SECONDS} to {LONGEST_SECONDS}, got {seconds}.",
            "expires_after.seconds",
        )
    return seconds
