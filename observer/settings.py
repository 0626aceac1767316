"""What the environment says to the observer. Read once, when the process starts."""

from __future__ import annotations

from pydantic import Field, SecretStr

from call_log.seal import BadKey, Seal
from observer.outbound import check_url, signed
from observer.webhooks import Webhook
from realtime.errors import Misconfigured
from realtime.secret import Secret
from realtime.settings import UpstreamSettings

OF_OTHERS = frozenset(
    {
        "SWITCHBOARD_GRANT",
        "SWITCHBOARD_OPEN_LOOPBACK",
        "SWITCHBOARD_SPAWN_OBSERVER",
        "SWITCHBOARD_TEST_PRINCIPALS",
        "SWITCHBOARD_URL",
    }
)  # names that only the web and the command line read


UNSIGNED = "SWITCHBOARD_WEBHOOK_URL is set: set SWITCHBOARD_WEBHOOK_SECRET too, or the receiver can't tell who speaks"


class Settings(UpstreamSettings):
    """The upstream's settings, and the key of the seals."""

    seal_key: SecretStr | None = Field(default=None, validation_alias="SWITCHBOARD_SEAL_KEY")

    @classmethod
    def load(cls) -> Settings:
        """The settings of this process. Raises Misconfigured with one sentence."""
        return cls.from_environment(OF_OTHERS)

    def webhook(self) -> Webhook | None:
        """Where calls are told of; None where nowhere. Raises Misconfigured."""
        if self.webhook_url is None:
            return None
        check_url("SWITCHBOARD_WEBHOOK_URL", self.webhook_url, private=self.webhook_private)
        if self.webhook_secret is None:
            raise Misconfigured(UNSIGNED)
        secret = Secret(self.webhook_secret.get_secret_value())
        signed(secret, "msg_of_the_start", 0, b"")
        return Webhook(self.webhook_url, secret, self.webhook_private)

    def tools_secret(self) -> Secret | None:
        """What requests to tools are signed with; None where it is not set."""
        return Secret(self.webhook_secret.get_secret_value()) if self.webhook_secret else None

    def seal(self) -> Seal | None:
        """What seals events; None where no key is set. Raises Misconfigured."""
        if self.seal_key is None:
            return None
        try:
            return Seal.of(self.seal_key.get_secret_value())
        except BadKey as fault:
            raise Misconfigured(str(fault)) from None
