"""What the environment says to the observer. Read once, when the process starts."""

from __future__ import annotations

from realtime.settings import UpstreamSettings

OF_OTHERS = frozenset(
    {"SWITCHBOARD_OPEN_LOOPBACK", "SWITCHBOARD_SPAWN_OBSERVER"}
)  # names that only the web reads


class Settings(UpstreamSettings):
    """The upstream's settings; the observer needs no others."""

    @classmethod
    def load(cls) -> Settings:
        """The settings of this process. Raises Misconfigured with one sentence."""
        return cls.from_environment(OF_OTHERS)
