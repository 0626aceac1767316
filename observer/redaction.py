"""What may be kept of each call's lines by its profile, and the asking of the processes that redact.

How those run is operator_processes.py's; what a redaction does is redactor.py's; what is stored instead of a failed one
is discretion.py's.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass

from call_log.call import Call
from observer.limits import Limits
from observer.operator_processes import OperatorProcesses, Outcome
from observer.redactor import SOURCES
from realtime.content import LineSource
from realtime.profiles import Profiles
from realtime.redaction import Redaction


@dataclass(frozen=True)
class Rule:
    """What may be kept of a call's lines: everything, what `redactor` leaves, or, without one, the structure alone.

    `cause`: why content is not kept although nobody asked for that.
    """

    keeps_everything: bool = False
    redactor: Redactor | None = None
    cause: str | None = None

    @property
    def drops_content(self) -> bool:
        """Whether content is left out because that is wanted."""
        return not self.keeps_everything and self.redactor is None and self.cause is None


class Redactions:
    """The rules of all profiles; make it inside the event loop."""

    def __init__(self, profiles: Profiles, limits: Limits) -> None:
        self._profiles = profiles
        self._redactors = {
            profile.name: Redactor(profile.name, profile.redact, limits)
            for profile in map(profiles.get, profiles.names)
            if profile is not None and profile.redact is not None
        }

    def rule(self, call: Call) -> Rule:
        """What may be kept of this call. A profile that is not known any more may have wanted anything."""
        if call.recording == "metadata":
            return Rule()
        if self._profiles.get(call.profile) is None:
            return Rule(cause="unknown_profile")
        redactor = self._redactors.get(call.profile)
        return Rule(keeps_everything=redactor is None, redactor=redactor)

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(redactor.close() for redactor in self._redactors.values()))


class Redactor:
    """The processes that redact for one profile."""

    def __init__(self, profile: str, rules: Redaction, limits: Limits) -> None:
        self._processes = OperatorProcesses(profile, "redact", asdict(rules), limits)

    def submit(self, source: LineSource, raw: bytes) -> asyncio.Future[Outcome]:
        """Redact an event. The outcome comes in any case, within the limits; it never raises."""
        return self._processes.submit(bytes([SOURCES.index(source)]) + raw)

    async def close(self) -> None:
        """Kill the processes; what waits fails."""
        await self._processes.close()
