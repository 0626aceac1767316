"""What the environment says to the web process. Read once, when the process starts."""

from __future__ import annotations

from pydantic import Field

from realtime.errors import Misconfigured
from realtime.settings import UpstreamSettings

OF_OTHERS = frozenset({"SWITCHBOARD_SEAL_KEY"})  # names that only another process reads
NO_ACCESS = (
    "nobody could be let in: set SWITCHBOARD_OPEN_LOOPBACK=1 to let this machine's own pages in without a grant "
    "(signed grants come with a later version)"
)


class Settings(UpstreamSettings):
    """The upstream's settings, and who is let in."""

    open_loopback: bool = Field(default=False, validation_alias="SWITCHBOARD_OPEN_LOOPBACK")
    spawn_observer: bool = Field(default=False, validation_alias="SWITCHBOARD_SPAWN_OBSERVER")

    @classmethod
    def load(cls) -> Settings:
        """The settings of a process that will serve. Raises Misconfigured with one sentence."""
        settings = cls.from_environment(OF_OTHERS)
        if not settings.open_loopback:
            raise Misconfigured(NO_ACCESS)
        return settings
