"""How we identify ourselves to the upstream: a key, or an Entra ID token. This module hands out headers, fresh ones
for every request; it keeps no token (azure-identity has its own cache) and knows no URL of the upstream."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from realtime.endpoints import Kind
from realtime.errors import CredentialUnavailable, Misconfigured
from realtime.secret import Secret

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

# Both this scope and https://ai.azure.com/.default are accepted on *.openai.azure.com; a setting of the processes.
DEFAULT_SCOPE = "https://cognitiveservices.azure.com/.default"
NAME_VARIABLE = "AZURE_TOKEN_CREDENTIALS"
_GROUPS = ("dev", "prod")
BACK_OFF_SECONDS = 5.0  # after a refresh that failed, while the last token still serves
LAST_SECONDS = 10  # of a token's life, in which it might die on the way
# A refresh happens within some caller's request: azure-identity's own patience (five tries, 25 s) is longer than a
# browser waits for its answer.
PATIENCE = {"retry_total": 2, "retry_backoff_factor": 0.1, "connection_timeout": 1, "read_timeout": 3}
_HEADER_TEXT = re.compile(r"[!-~]+")


class Credential(Protocol):
    """Anything that can make the headers of a request. Safe to share between threads; may block."""

    def headers(self) -> dict[str, str]:
        """Headers for one request. Raises CredentialUnavailable."""
        ...

    def renew(self, refused: dict[str, str]) -> None:
        """The upstream refused these headers: give out others from now on, if there can be others. May block."""
        ...


class ApiKey:
    """A durable key: `api-key` on Azure, `Authorization: Bearer` on OpenAI."""

    def __init__(self, kind: Kind, key: Secret) -> None:
        # A key with a blank or a line end would be refused by the HTTP library, in words that show the key.
        if not _HEADER_TEXT.fullmatch(key.reveal()):
            name = "AZURE_OPENAI_API_KEY" if kind == "azure" else "OPENAI_API_KEY"
            raise Misconfigured(
                f"{name} must be one word of plain ASCII: it is empty or has blanks or line ends in it."
            )
        self._kind = kind
        self._key = key

    def headers(self) -> dict[str, str]:
        if self._kind == "azure":
            return {"api-key": self._key.reveal()}
        return {"Authorization": f"Bearer {self._key.reveal()}"}

    def renew(self, refused: dict[str, str]) -> None:
        """There is one key, and it is the same after a refusal."""


class Entra:
    """An Entra ID identity. Every call asks azure-identity, which answers from its own cache while a token lives.

    Two things it does not do are done here. Many who find no token at all would each fetch one: they wait for the
    first. And it forgets a token some minutes before its end (for managed identities, where MSAL keeps the cache), so
    that an endpoint that is down then would be felt at once: the last token is kept and serves until its end. While
    one lives nobody waits: one caller at a time asks, the others take what there is.
    """

    def __init__(
        self,
        token_credential: TokenCredential,
        scope: str = DEFAULT_SCOPE,
        clock: Callable[[], float] = time.time,
        anew: Callable[[], TokenCredential] | None = None,
    ) -> None:
        self._token_credential, self._anew = token_credential, anew
        self._scope = scope
        self._clock = clock
        self._asking = threading.Lock()
        self._last: AccessToken | None = None
        self._ask_again_at = self._renew_again_at = 0.0

    def headers(self) -> dict[str, str]:
        token = self._token()
        if not _HEADER_TEXT.fullmatch(token):
            raise CredentialUnavailable("Entra ID gives no usable token just now; try again.")
        return _bearer(token)

    def renew(self, refused: dict[str, str]) -> None:
        """Fetch another token than the refused one: many calls may be refused at once, and the first one fetches.

        azure-identity can't be told to forget, so it is made anew. The old token stays where no new one is to be had.
        """
        with self._asking:
            was_ours = self._last is not None and refused == _bearer(self._last.token)
            if self._anew is None or not was_ours or self._clock() < self._renew_again_at:
                return
            self._renew_again_at = self._clock() + BACK_OFF_SECONDS
            self._token_credential = self._anew()
            with contextlib.suppress(CredentialUnavailable):
                self._ask()

    def _token(self) -> str:
        last = self._living()
        if last is None:
            with self._asking:
                return self._ask()
        if self._clock() < self._ask_again_at or not self._asking.acquire(blocking=False):
            return last.token
        try:
            return self._ask()
        finally:
            self._asking.release()

    def _ask(self) -> str:
        from azure.core.exceptions import AzureError

        try:
            self._last = self._token_credential.get_token(self._scope)
        except (AzureError, OSError, ValueError) as cause:
            last = self._living()
            if last is None:
                raise CredentialUnavailable("Entra ID gives no token just now; try again.") from cause
            self._ask_again_at = self._clock() + BACK_OFF_SECONDS
            return last.token
        return self._last.token

    def _living(self) -> AccessToken | None:
        last = self._last
        return last if last is not None and self._clock() < last.expires_on - LAST_SECONDS else None


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def entra_from_environment(scope: str = DEFAULT_SCOPE) -> Entra:
    """The one identity that AZURE_TOKEN_CREDENTIALS names. Raises Misconfigured.

    A group (`dev`, `prod`) or no name at all would try one identity after the other, which hides mistakes and costs
    seconds at each: the vendor's own advice for production is to name one.
    """
    from azure.identity import DefaultAzureCredential

    name = os.environ.get(NAME_VARIABLE, "").strip()
    if not name or name.lower() in _GROUPS:
        raise Misconfigured(
            f"Set AZURE_OPENAI_API_KEY, or {NAME_VARIABLE} to the one identity to use, "
            "such as ManagedIdentityCredential, WorkloadIdentityCredential or AzureCliCredential."
        )

    def identity() -> DefaultAzureCredential:
        return DefaultAzureCredential(require_envvar=True, **PATIENCE)

    try:
        return Entra(identity(), scope, anew=identity)
    except ValueError as cause:
        raise Misconfigured(
            f"{NAME_VARIABLE} does not name an identity that azure-identity knows; "
            "use for example ManagedIdentityCredential, WorkloadIdentityCredential or AzureCliCredential."
        ) from cause
