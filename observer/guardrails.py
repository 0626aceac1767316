"""The guardrails of all profiles, and the processes they run in. What follows from a broken rule is guard.py's."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from observer.limits import Limits
from observer.operator_processes import OperatorProcesses
from realtime.guardrails import Guardrail
from realtime.profiles import Profile, Profiles


class Guardrails:
    """The processes of all profiles that have rules; make it inside the event loop."""

    def __init__(self, profiles: Profiles, limits: Limits) -> None:
        found = filter(None, map(profiles.get, profiles.names))
        self._profiles: dict[str, tuple[Profile, OperatorProcesses]] = {
            profile.name: (profile, _processes(profile, limits)) for profile in found if profile.guardrails
        }

    def of(self, profile: str) -> tuple[tuple[Guardrail, ...], OperatorProcesses | None]:
        """A profile's rules, and whom to ask."""
        known = self._profiles.get(profile)
        return (known[0].guardrails, known[1]) if known else ((), None)

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(processes.close() for _, processes in self._profiles.values()))


def _processes(profile: Profile, limits: Limits) -> OperatorProcesses:
    rules = {rule.name: asdict(rule) for rule in profile.guardrails}
    return OperatorProcesses(profile.name, "judge", rules, limits)
