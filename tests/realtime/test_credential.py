"""Headers by which we are known; a key or token that cannot be a header is refused without showing it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
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


class SlowToken:
    """A token source like azure-identity's: it caches, but fetches once for everybody who finds nothing."""

    def __init__(self) -> None:
        self.fetched = 0
        self.held: AccessToken | None = None
        self.all_waiting = threading.Event()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if self.held is None:
            self.fetched += 1
            self.all_waiting.wait(5)
            self.held = AccessToken("a-token", int(time.time()) + 3600)
        return self.held


def test_fifty_who_find_no_token_fetch_one() -> None:
    source = SlowToken()
    entra = Entra(source)
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(entra.headers) for _ in range(50)]
        source.all_waiting.set()
        assert {each.result()["Authorization"] for each in asked} == {"Bearer a-token"}
    assert source.fetched == 1


def test_nobody_waits_for_a_refresh_while_a_token_lives() -> None:
    """azure-identity refreshes within one caller's request; the others must pass it by."""
    refreshing, go_on = threading.Event(), threading.Event()
    calls = iter(range(100))

    class Refreshing:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            if next(calls) == 1:
                refreshing.set()
                go_on.wait(5)
            return AccessToken("a-token", int(time.time()) + 3600)

    entra = Entra(Refreshing())
    entra.headers()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(entra.headers)
        assert refreshing.wait(5)
        assert entra.headers() == {"Authorization": "Bearer a-token"}
        assert not slow.done()
        go_on.set()


class Numbered:
    """Each one made is another identity, with a token of its own."""

    made = 0

    def __init__(self) -> None:
        Numbered.made += 1
        self._token = f"token-{Numbered.made}"

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


def test_many_who_were_refused_the_same_token_fetch_one_other() -> None:
    Numbered.made = 0
    now = [1000.0]
    entra = Entra(Numbered(), clock=lambda: now[0], anew=Numbered)
    refused = entra.headers()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: entra.renew(refused), range(50)))
    assert entra.headers() == {"Authorization": "Bearer token-2"}

    entra.renew(entra.headers())  # refused again at once: it is not the token
    assert entra.headers() == {"Authorization": "Bearer token-2"}
    now[0] += 5
    entra.renew(entra.headers())
    assert entra.headers() == {"Authorization": "Bearer token-3"}


def test_the_refused_token_stays_where_no_other_is_to_be_had() -> None:
    def nothing() -> Identity:
        return Identity(OSError("no route"))

    entra = Entra(Numbered(), anew=nothing)
    refused = entra.headers()
    entra.renew(refused)
    assert entra.headers() == refused
