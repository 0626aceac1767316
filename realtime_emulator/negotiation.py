"""The HTTP surface of the protocol but for the sideband: `client_secrets`, `calls` and `hangup`.

Shapes, statuses and headers are those recorded on Azure and OpenAI in July 2026; what differs between them
is in `dialects.py`.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web

from realtime_emulator.calls import Calls
from realtime_emulator.credentials import (
    NEEDS_EPHEMERAL,
    Credential,
    read_credential,
    refused_ephemeral,
)
from realtime_emulator.dialects import Dialect
from realtime_emulator.ephemeral import EphemeralSecrets, read_lifetime
from realtime_emulator.guard import Guard
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.json_reading import read_object
from realtime_emulator.mishaps import REFUSE_OFFER, SLOW_MINT, SLOW_OFFER, Mishaps
from realtime_emulator.refusals import Mistake, OfferRefused, Refusal, call_not_found, unauthorized
from realtime_emulator.session import Session, read_wanted

MADE_CALL = web.RequestKey("made_call", str)
"""Where the request that made a call keeps its id, for the ledger."""


@dataclass
class _Wanted:
    """What a request for a call came to, whichever form it had."""

    offer: str
    session: dict[str, Any]
    session_id: str | None = None


class Negotiation:
    def __init__(
        self,
        dialect: Dialect,
        seed: int,
        calls: Calls,
        mishaps: Mishaps,
        secrets: EphemeralSecrets,
        guard: Guard,
    ) -> None:
        self._dialect, self._calls, self._mishaps, self._secrets = dialect, calls, mishaps, secrets
        self._guard = guard
        self._ids = Identifiers(random.Random(f"{seed}/{dialect.name}"))

    def routes(self) -> list[web.RouteDef]:
        prefix = self._dialect.prefix
        retired = ("sessions", "transcription_sessions") if self._dialect.name == "openai" else ()
        return [
            *(web.post(f"{prefix}/{name}", self.refuse_beta) for name in retired),
            web.post(f"{prefix}/client_secrets", self.mint),
            web.post(f"{prefix}/calls", self.open),
            web.post(f"{prefix}/calls/{{call_id}}/hangup", self.hang_up),
        ]

    async def mint(self, request: web.Request) -> web.Response:
        self._guard.require_durable(read_credential(request.headers))
        await self._be_slow(SLOW_MINT)
        body = read_object(await request.read() or b"{}")
        for name in body:
            if name not in ("session", "expires_after"):
                raise Mistake("unknown_parameter", f"Unknown parameter: '{name}'.", name)
        seconds = read_lifetime(self._dialect, body.get("expires_after"))
        wanted = read_wanted(body.get("session"))
        session_id = self._ids.new("sess")
        secret = self._secrets.mint(wanted, session_id, seconds)
        # Recorded: 0 here; the session's real deadline is in session.created and session.updated.
        session = Session(session_id, wanted, expires_at=0).as_json()
        answer = {"value": secret.value, "expires_at": secret.expires_at, "session": session}
        return web.json_response(answer, headers=self._stamp())

    async def refuse_beta(self, request: web.Request) -> web.Response:
        """OpenAI's beta endpoints are closed since May 2026."""
        message = (
            "The Realtime Beta API is no longer supported. Use /v1/realtime/client_secrets for the GA API."
        )
        raise Mistake("beta_api_shape_disabled", message)

    async def open(self, request: web.Request) -> web.Response:
        wanted = await self._read_wanted(request)
        refusal = self._mishaps.take(REFUSE_OFFER)
        if refusal is not None:
            raise _arranged_refusal(refusal["status"])
        await self._be_slow(SLOW_OFFER)
        filtered = self._dialect.name == "azure" and request.query.get("webrtcfilter") == "on"
        call_id, answer = await self._calls.open(
            self._dialect, wanted.offer, wanted.session, wanted.session_id, filtered
        )
        request[MADE_CALL] = call_id
        # Recorded on both: text/plain, and a relative Location that lacks Azure's /openai.
        headers = {"Location": f"/v1/realtime/calls/{call_id}", **self._stamp()}
        return web.Response(status=201, text=answer, content_type="text/plain", headers=headers)

    async def hang_up(self, request: web.Request) -> web.Response:
        self._guard.require_any(read_credential(request.headers))
        opened = self._calls.find(request.match_info["call_id"])
        if opened is None:
            raise call_not_found(400)
        self._calls.end(opened, "hangup")
        return web.Response(headers=self._stamp())

    async def _read_wanted(self, request: web.Request) -> _Wanted:
        credential = read_credential(request.headers)
        if credential.kind == "ephemeral":
            return await self._read_ephemeral(request, credential)
        if self._dialect.calls_need_ephemeral:
            raise unauthorized(NEEDS_EPHEMERAL, code="401")
        self._guard.require_durable(credential)
        if request.content_type.startswith("multipart/"):
            return await self._read_multipart(request)
        return _Wanted(await self._read_raw(request), {"type": "realtime"})

    async def _read_ephemeral(self, request: web.Request, credential: Credential) -> _Wanted:
        secret = self._secrets.find(credential.value)
        if secret is None:
            raise refused_ephemeral()
        offer = await self._read_raw(request)
        session_id = None
        if self._dialect.name == "azure":
            session_id, secret.session_id = secret.session_id, None
        return _Wanted(offer, secret.session, session_id)

    async def _read_raw(self, request: web.Request) -> str:
        if request.content_type != "application/sdp":
            message = (
                f"Unsupported content type: '{request.content_type}'. Send the offer as 'application/sdp'."
            )
            raise Mistake("unsupported_content_type", message)
        return self._offer_in(await request.read())

    async def _read_multipart(self, request: web.Request) -> _Wanted:
        parts = await _read_parts(request)
        if "sdp" not in parts:
            raise Mistake("missing_required_parameter", "Missing required parameter: 'sdp'.", "sdp")
        session = read_object(parts["session"]) if parts.get("session") else None
        return _Wanted(self._offer_in(parts["sdp"]), read_wanted(session))

    def _offer_in(self, raw: bytes) -> str:
        try:
            return self._calls.read_offer(raw)
        except OfferRefused as refused:
            raise Mistake("invalid_offer", f"Failed to parse offer: {refused}") from refused

    async def _be_slow(self, name: str) -> None:
        if fault := self._mishaps.look(name):
            await asyncio.sleep(fault["ms"] / 1000)

    def _stamp(self) -> dict[str, str]:
        return {self._dialect.request_id_header: self._ids.request(), "openai-version": "2020-10-01"}


async def _read_parts(request: web.Request) -> dict[str, bytes]:
    """OpenAI's one-request form: a part `sdp` and a part `session`, with or without file names and types."""
    parts: dict[str, bytes] = {}
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, BodyPartReader) and part.name:
                parts[part.name] = bytes(await part.read(decode=True))
    except (ValueError, RuntimeError, AssertionError) as error:
        message = "The multipart body cannot be read. Send a part 'sdp' and a part 'session'."
        raise Mistake("invalid_multipart", message) from error
    return parts


def _arranged_refusal(status: int) -> Refusal:
    code = "invalid_offer" if status == 400 else str(status)
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    return Refusal(status, Mistake(code, "The emulator was asked to refuse this offer."), headers)
