"""A managed identity, offline: the two endpoints where Azure's hosts hand out Entra tokens, and who holds a good one.

Shapes: Azure's instance metadata service (IMDS) and App Service, by Microsoft's documentation and as
azure-identity and MSAL ask for them in 2026. Tokens are kept here and shown to nobody else.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from aiohttp import web

from realtime_emulator.identifiers import Identifiers
from realtime_emulator.json_reading import read_object
from realtime_emulator.refusals import Mistake, invalid_type, unauthorized, unknown_parameter

IMDS_PATH = "/metadata/identity/oauth2/token"
"""azure-identity finds it when AZURE_POD_IDENTITY_AUTHORITY_HOST is the emulator's address."""
APP_SERVICE_PATH = "/msi/token"
"""azure-identity finds it when IDENTITY_ENDPOINT is the emulator's address with this path."""
RESOURCES = ("https://cognitiveservices.azure.com", "https://ai.azure.com")
"""Tokens for these are accepted on Azure OpenAI; a token for another resource has the wrong audience."""
CLIENT_ID = "00000000-0000-4000-8000-000000000001"
KEPT_TOKENS = 10_000
KEPT_FETCHES = 5000
REFUSED = (
    "Unauthorized. Access token is missing, invalid, audience is incorrect"
    " (https://cognitiveservices.azure.com), or have expired."
)

Form = Literal["imds", "app_service"]


@dataclass(frozen=True)
class Manners:
    """How the endpoint answers: what `POST /emulator/identity` sets."""

    expires_in: int = 86_400
    """Seconds that a token lives; 24 hours are usual for managed identities."""
    status: int = 200
    delay_ms: int = 0
    tokens_valid_after: int = 0
    """UTC milliseconds: tokens that were handed out before this moment are refused."""


@dataclass(frozen=True)
class _Token:
    resource: str
    minted_at: float
    expires_at: float


_BOUNDS = {
    "expires_in": (1, 86_400),
    "status": (200, 599),
    "delay_ms": (0, 600_000),
    "tokens_valid_after": (0, 1 << 53),
}


class Identity:
    def __init__(self, ids: Identifiers, clock: Callable[[], float] = time.time) -> None:
        self._ids, self._clock = ids, clock
        self.forget()

    def forget(self) -> None:
        """As at the start: usual manners, no tokens, and any bearer is accepted."""
        self._manners = Manners()
        self._tokens: dict[str, _Token] = {}
        self._fetches: deque[dict[str, Any]] = deque(maxlen=KEPT_FETCHES)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(IMDS_PATH, self.answer_imds),
            web.get(APP_SERVICE_PATH, self.answer_app_service),
            web.get("/emulator/identity", self.show),
            web.post("/emulator/identity", self.behave),
            web.delete("/emulator/identity", self.reset),
        ]

    def require(self, token: str) -> None:
        """Raises 401 for a token that was not handed out here, or is none any more.

        As long as none was handed out, whoever calls has another source of tokens, and any will do.
        """
        known = self._tokens.get(token)
        if known is None and not self._tokens:
            return
        if known is None or not self._is_good(known):
            raise unauthorized(REFUSED, code="401")

    async def answer_imds(self, request: web.Request) -> web.Response:
        if request.headers.get("Metadata", "").lower() != "true":
            return _refuse("imds", 400, "Required metadata header not specified")
        return await self._answer(request, "imds")

    async def answer_app_service(self, request: web.Request) -> web.Response:
        if not request.headers.get("X-IDENTITY-HEADER"):
            return _refuse("app_service", 401, "The X-IDENTITY-HEADER header is missing")
        return await self._answer(request, "app_service")

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response({**asdict(self._manners), "fetches": list(self._fetches)})

    async def behave(self, request: web.Request) -> web.Response:
        self._manners = replace(self._manners, **_read_manners(read_object(await request.read())))
        return await self.show(request)

    async def reset(self, request: web.Request) -> web.Response:
        self.forget()
        return await self.show(request)

    async def _answer(self, request: web.Request, form: Form) -> web.Response:
        manners, resource = self._manners, request.query.get("resource", "")
        fetch: dict[str, Any] = {"at": int(self._clock() * 1000), "form": form, "resource": resource}
        fetch |= {"client_id": request.query.get("client_id"), "status": manners.status}
        self._fetches.append(fetch)
        await asyncio.sleep(manners.delay_ms / 1000)
        if not resource:
            fetch["status"] = 400
            return _refuse(form, 400, "The query parameter 'resource' is missing")
        if manners.status != 200:
            return _refuse(form, manners.status, "The emulator was asked to refuse")
        return web.json_response(self._mint(resource, manners.expires_in, form))

    def _mint(self, resource: str, seconds: int, form: Form) -> dict[str, str]:
        """All values are strings, as those of both endpoints are."""
        now = self._clock()
        value = f"eyJ{self._ids.letters(96)}"
        self._tokens[value] = _Token(resource.rstrip("/"), now, now + seconds)
        if len(self._tokens) > KEPT_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        told = {"access_token": value, "client_id": CLIENT_ID, "resource": resource, "token_type": "Bearer"}
        told["expires_on"] = str(int(now + seconds))
        if form == "imds":
            told |= {"expires_in": str(seconds), "ext_expires_in": str(seconds), "not_before": str(int(now))}
        return told

    def _is_good(self, token: _Token) -> bool:
        alive = self._clock() < token.expires_at
        return (
            alive
            and token.minted_at * 1000 >= self._manners.tokens_valid_after
            and token.resource in RESOURCES
        )


def _refuse(form: Form, status: int, message: str) -> web.Response:
    if form == "imds":
        body: dict[str, Any] = {"error": "invalid_request", "error_description": message}
    else:
        body = {"statusCode": status, "message": message}
    return web.json_response(body, status=status)


def _read_manners(body: dict[str, Any]) -> dict[str, int]:
    for name, value in body.items():
        if name not in _BOUNDS:
            raise unknown_parameter(name)
        low, high = _BOUNDS[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise invalid_type(name, f"a whole number from {low} to {high}")
    if not body:
        raise Mistake("missing_required_parameter", f"Give one of {', '.join(_BOUNDS)}.")
    return body
