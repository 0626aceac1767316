"""Who asks: reads a credential from a request's headers and says what kind it is. Keeps none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from realtime_emulator.dialects import Dialect
from realtime_emulator.refusals import Refusal, unauthorized

WRONG = "wrong"
"""The one durable credential that is refused, so that a client's handling of 401 can be tried."""

Kind = Literal["none", "api-key", "bearer", "ephemeral"]

NEEDS_EPHEMERAL = "This operation requires ephemeral tokens for authentication"
"""Azure's sentence for an API key or an Entra token on `/calls` (recorded)."""


@dataclass(frozen=True)
class Credential:
    kind: Kind
    value: str = ""

    @property
    def durable(self) -> bool:
        return self.kind in ("api-key", "bearer") and self.value != WRONG


def read_credential(headers: Mapping[str, str]) -> Credential:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() == "bearer" and token:
        return Credential("ephemeral" if token.startswith("ek_") else "bearer", token)
    key = headers.get("api-key", "").strip()
    return Credential("api-key", key) if key else Credential("none")


def require_durable(dialect: Dialect, credential: Credential) -> None:
    """Raises 401 unless this is an API key or a bearer that the vendor would take. OpenAI knows no `api-key`."""
    foreign = dialect.name == "openai" and credential.kind == "api-key"
    if not credential.durable or foreign:
        raise refused(dialect)


def refused(dialect: Dialect) -> Refusal:
    if dialect.name == "azure":
        return unauthorized(
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a"
            " valid key for an active subscription.",
            code="401",
        )
    return unauthorized("Incorrect API key provided. Provide a valid key as Authorization: Bearer.")


def refused_ephemeral() -> Refusal:
    return unauthorized("The ephemeral token is unknown or has expired. Mint a new one with client_secrets.")
