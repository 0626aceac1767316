"""What the environment says to the observer. Read once, when the process starts."""

from __future__ import annotations

from pydantic import Field, SecretStr

from call_log.seal import BadKey, Seal
from realtime.errors import Misconfigured
from realtime.settings import UpstreamSettings

OF_OTHERS = frozenset(
    {"SWITCHBOARD_OPEN_LOOPBACK", "SWITCHBOARD_SPAWN_OBSERVER"}
)  # names that only the web reads


class Settings(UpstreamSettings):
    """The upstream's settings, and the key of the seals."""

    seal_key: SecretStr | None = Field(default=None, validation_alias="SWITCHBOARD_SEAL_KEY")

    @classmethod
    def load(cls) -> Settings:
        """The settings of this process. Raises Misconfigured with one sentence."""
        return cls.from_environment(OF_OTHERS)

    def seal(self) -> Seal | None:
        """What seals events; None where no key is set. Raises Misconfigured."""
        if self.seal_key is None:
            return None
        try:
            return Seal.of(self.seal_key.get_secret_value())
        except BadKey as fault:
            raise Misconfigured(str(fault)) from None
