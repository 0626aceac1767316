"""Headers by which we are known; a key or token that cannot be a header is refused without showing it."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError

from realtime.credential import DEFAULT_SCOPE, ApiKey, Entra, entra_from_environment
from realtime.errors import CredentialUnavailable, Misconfigured
from realtime.secret import Secret


class Identity:
    """An Entra identity that answers with a token, or raises."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.scopes.extend(scopes)
        if isinstance(self.answer, Exception):
            raise self.answer
        return AccessToken(self.answer, 0)


def test_each_kind_carries_its_key_in_its_own_header() -> None:
    assert ApiKey("azure", Secret("k")).headers() == {"api-key": "k"}
    assert ApiKey("openai", Secret("k")).headers() == {"Authorization": "Bearer k"}


@pytest.mark.parametrize("key", ["", " ", "canary\n", "canary\r\nX: 1", "can ary", "canäry", "canary\x00"])
def test_a_key_that_is_no_header_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(Misconfigured, match="AZURE_OPENAI_API_KEY") as refused:
        ApiKey("azure", Secret(key))
    assert "can" not in str(refused.value)


def test_entra_asks_for_a_token_each_time_with_its_scope() -> None:
    identity = Identity("token-1")
    entra = Entra(identity, "scope/.default")
    assert entra.headers() == {"Authorization": "Bearer token-1"}
    identity.answer = "token-2"
    assert entra.headers() == {"Authorization": "Bearer token-2"}
    assert identity.scopes == ["scope/.default"] * 2


@pytest.mark.parametrize(
    "trouble",
    [
        CredentialUnavailableError("CANARY"),
        ClientAuthenticationError("CANARY"),
        OSError("CANARY"),
        ValueError("CANARY"),
        "tok\nen",
        "",
    ],
)
def test_no_token_is_503_with_a_wait_and_without_their_words(trouble: str | Exception) -> None:
    with pytest.raises(CredentialUnavailable) as refused:
        Entra(Identity(trouble), DEFAULT_SCOPE).headers()
    assert (refused.value.status, refused.value.retry_after) == (503, 2)
    assert "CANARY" not in refused.value.detail


@pytest.mark.parametrize("name", ["", "  ", "dev", "prod", "PROD", "NoSuchCredential"])
def test_no_single_named_identity_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", name)
    with pytest.raises(Misconfigured, match="AZURE_TOKEN_CREDENTIALS"):
        entra_from_environment()


def test_the_one_named_identity_is_used_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    entra = entra_from_environment()
    with pytest.raises(CredentialUnavailable) as refused:
        entra.headers()
    attempts = str(refused.value.__cause__)
    assert "EnvironmentCredential" in attempts
    assert "ManagedIdentity" not in attempts
