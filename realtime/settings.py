"""What the environment says of the upstream: which one, where, and with which credential.

Knows the names that operators already use (AZURE_…, OPENAI_…) and what must be said when they contradict each
other. Refuses to know anything else of a process: each has a settings.py of its own, which adds to this.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from realtime import endpoints
from realtime.credential import DEFAULT_SCOPE, ApiKey, Credential, entra_from_environment
from realtime.endpoints import Upstream
from realtime.errors import Misconfigured
from realtime.secret import Secret

PREFIX = "SWITCHBOARD_"
NOTHING_SET = (
    "no upstream is configured: set AZURE_OPENAI_ENDPOINT (or AZURE_RESOURCE) for Azure OpenAI, or OPENAI_API_KEY "
    "for OpenAI, or type `switchboard up`, which brings an emulator"
)
BOTH_SET = (
    "two upstreams are configured, Azure OpenAI and OpenAI: set SWITCHBOARD_UPSTREAM to azure or openai, "
    "or unset the settings of one"
)


class UpstreamSettings(BaseSettings):
    """The settings that every process which speaks with the upstream shares."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    upstream_kind: Literal["azure", "openai"] | None = Field(
        default=None, validation_alias="SWITCHBOARD_UPSTREAM"
    )
    azure_resource: str | None = Field(default=None, validation_alias="AZURE_RESOURCE")
    azure_endpoint: str | None = Field(default=None, validation_alias="AZURE_OPENAI_ENDPOINT")
    azure_key: SecretStr | None = Field(default=None, validation_alias="AZURE_OPENAI_API_KEY")
    openai_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base: str = Field(default=endpoints.OPENAI_BASE, validation_alias="OPENAI_BASE_URL")
    entra_scope: str = Field(default=DEFAULT_SCOPE, validation_alias="SWITCHBOARD_ENTRA_SCOPE")
    profiles: Path = Field(default=Path("profiles.toml"), validation_alias="SWITCHBOARD_PROFILES")
    prices: Path | None = Field(default=None, validation_alias="SWITCHBOARD_PRICES")
    database_url: str = Field(default="sqlite:///var/switchboard.db", validation_alias="DATABASE_URL")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="LOG_LEVEL"
    )

    @classmethod
    def from_environment(cls, known_elsewhere: frozenset[str] = frozenset()) -> Self:
        """Read once, at the edge. `known_elsewhere`: names that are another process's. Raises Misconfigured."""
        _refuse_unknown(os.environ, names(cls) | known_elsewhere)
        try:
            return cls()
        except ValidationError as error:
            raise Misconfigured(_sentence(error)) from None

    def upstream(self) -> Upstream:
        """The one upstream that is meant. Raises Misconfigured where it can't be told."""
        if self._kind() == "openai":
            if self.openai_key is None:
                raise Misconfigured("SWITCHBOARD_UPSTREAM is openai: set OPENAI_API_KEY as well")
            return endpoints.openai(self.openai_base)
        if self.azure_endpoint and self.azure_resource:
            raise Misconfigured(
                "AZURE_OPENAI_ENDPOINT and AZURE_RESOURCE name the same thing: unset one of them"
            )
        if self.azure_endpoint:
            return endpoints.azure(self.azure_endpoint)
        if self.azure_resource:
            return endpoints.azure_resource(self.azure_resource)
        raise Misconfigured(
            "SWITCHBOARD_UPSTREAM is azure: set AZURE_OPENAI_ENDPOINT or AZURE_RESOURCE as well"
        )

    def credential(self) -> Credential:
        """The credential for `upstream()`: its API key where one is set, on Azure else Entra ID."""
        kind = self._kind()
        key = self.openai_key if kind == "openai" else self.azure_key
        if key is not None:
            return ApiKey(kind, Secret(key.get_secret_value()))
        return entra_from_environment(self.entra_scope)

    def _kind(self) -> Literal["azure", "openai"]:
        if self.upstream_kind is not None:
            return self.upstream_kind
        azure = bool(self.azure_endpoint or self.azure_resource)
        if azure and self.openai_key is not None:
            raise Misconfigured(BOTH_SET)
        if not azure and self.openai_key is None:
            raise Misconfigured(NOTHING_SET)
        return "azure" if azure else "openai"


def names(settings: type[BaseSettings]) -> frozenset[str]:
    """The environment variables that a settings class reads."""
    return frozenset(str(field.validation_alias) for field in settings.model_fields.values())


def _refuse_unknown(environ: Mapping[str, str], known: frozenset[str]) -> None:
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise Misconfigured(f"{unknown[0]} is no setting of Switchboard: correct its name or unset it")


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{first['loc'][0]} is wrong: {first['msg'][0].lower()}{first['msg'][1:]}"
