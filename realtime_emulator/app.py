"""Wires the emulator: routes of both dialects, CORS, one shape for every refusal. Holds no logic of its own."""

import secrets

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from realtime_emulator.calls import Calls
from realtime_emulator.control import Control
from realtime_emulator.credentials import read_credential
from realtime_emulator.dialects import DIALECTS, dialect_of
from realtime_emulator.ephemeral import EphemeralSecrets
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.identity import Identity
from realtime_emulator.ledger import Ledger
from realtime_emulator.mishaps import Mishaps
from realtime_emulator.negotiation import Negotiation
from realtime_emulator.peer import bind_to
from realtime_emulator.refusals import Mistake, Refusal
from realtime_emulator.script import Script
from realtime_emulator.session import SESSION_SECONDS
from realtime_emulator.speech import Synthesizer, find_flite

LONGEST_BODY_BYTES = 1024 * 1024
ALLOWED_HEADERS = "authorization, content-type, x-openai-agents-sdk, openai-safety-identifier"
EXPOSED_HEADERS = "Location,X-Request-Id"


def create_app(
    *,
    seed: int | None = None,
    media_host: str = "127.0.0.1",
    greet_sidebands: bool = False,
    flite: str | None = None,
    tones: bool = False,
    session_seconds: int = SESSION_SECONDS,
    legacy_item_created: bool = False,
) -> web.Application:
    """The emulator as an aiohttp application.

    `seed` makes names and pauses repeat (None: by chance); `media_host` is the address that WebRTC binds to;
    `greet_sidebands` sends `session.created` on attach; `tones` speaks without flite even when it is there;
    `session_seconds` is when a session hits its maximum duration; `legacy_item_created` announces each added item
    a second time, as `conversation.item.created`.
    """
    bind_to(media_host)
    seed = secrets.randbits(32) if seed is None else seed
    ledger, script, mishaps = Ledger(), Script(), Mishaps()
    synthesizer = Synthesizer(None if tones else flite or find_flite())
    calls = Calls(seed, ledger, script, mishaps, synthesizer, session_seconds, legacy_item_created)
    unguessable = Identifiers(secrets.SystemRandom())
    ephemeral, identity = EphemeralSecrets(unguessable), Identity(unguessable)
    app = web.Application(client_max_size=LONGEST_BODY_BYTES, middlewares=[_notes(ledger), _cors, _refusals])
    for dialect in DIALECTS:
        negotiation = Negotiation(dialect, seed, calls, mishaps, ephemeral, identity, greet_sidebands)
        app.add_routes(negotiation.routes())
    app.add_routes(identity.routes())
    app.add_routes(Control(ledger, mishaps, script, calls).routes())

    async def end_calls(_: web.Application) -> None:
        await calls.shut_down()

    app.on_shutdown.append(end_calls)
    return app


def _notes(ledger: Ledger) -> Middleware:
    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if dialect_of(request.path):
            auth = read_credential(request.headers).kind
            ledger.note_request(request.method, request.path, response.status, auth)
        return response

    return note


@web.middleware
async def _cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not dialect_of(request.path):
        return await handler(request)
    if request.method == "OPTIONS":
        response: web.StreamResponse = web.Response(status=204)
        response.headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    else:
        response = await handler(request)
    if not response.prepared:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    return response


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Mistake as mistake:
        refusal = Refusal(400, mistake)
    except Refusal as raised:
        refusal = raised
    except web.HTTPException as raised:
        refusal = Refusal(raised.status, Mistake(str(raised.status), raised.reason))
    return web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)
