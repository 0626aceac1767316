"""Whose credential opens what, in one dialect. Answers nothing but refusals."""

from realtime_emulator.credentials import Credential, refused_ephemeral, require_durable
from realtime_emulator.dialects import Dialect
from realtime_emulator.ephemeral import EphemeralSecrets
from realtime_emulator.identity import Identity


class Guard:
    def __init__(self, dialect: Dialect, secrets: EphemeralSecrets, identity: Identity) -> None:
        self._dialect, self._secrets, self._identity = dialect, secrets, identity

    def require_any(self, credential: Credential) -> None:
        """A durable credential, or an ephemeral one that is alive (a shipped Azure client uses it so)."""
        if credential.kind != "ephemeral":
            self.require_durable(credential)
        elif self._secrets.find(credential.value) is None:
            raise refused_ephemeral()

    def require_durable(self, credential: Credential) -> None:
        require_durable(self._dialect, credential)
        if self._dialect.name == "azure" and credential.kind == "bearer":
            self._identity.require(credential.value)
