"""Wires the emulator: routes of both dialects, CORS, one shape for every refusal. Holds no logic of its own."""

import secrets

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from realtime_emulator.attending import Attending, Manners
from realtime_emulator.calls import Calls
from realtime_emulator.control import Control
from realtime_emulator.credentials import read_credential
from realtime_emulator.dialects import DIALECTS, dialect_of
from realtime_emulator.ephemeral import EphemeralSecrets
from realtime_emulator.guard import Guard
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.identity import Identity
from realtime_emulator.ledger import Ledger
from realtime_emulator.mishaps import Mishaps
from realtime_emulator.negotiation import MADE_CALL, Negotiation
from realtime_emulator.open_call import Studio
from realtime_emulator.refusals import Mistake, Refusal
from realtime_emulator.script import Script
from realtime_emulator.session import SESSION_SECONDS

LONGEST_BODY_BYTES = 1024 * 1024
LONGEST_NOTED_ID = 128
ALLOWED_HEADERS = "authorization, content-type, x-openai-agents-sdk, openai-safety-identifier"
EXPOSED_HEADERS = "Location,X-Request-Id"


def create_app(
    *,
    seed: int | None = None,
    media_host: str = "127.0.0.1",
    manners: Manners | None = None,
    flite: str | None = None,
    tones: bool = False,
    session_seconds: int = SESSION_SECONDS,
    legacy_item_created: bool = False,
    events_only: float | None = None,
) -> web.Application:
    """The emulator as an aiohttp application.

    `seed` makes names and pauses repeat (None: by chance); `media_host` is the address that WebRTC binds to;
    `manners` says what it does where the services' habit is not known; `tones` speaks without flite even when it is
    there; `session_seconds` is when a session hits its maximum duration; `legacy_item_created` announces each added
    item a second time, as `conversation.item.created`. `events_only`: calls have no media, and each says so many
    events per second by itself.
    """
    seed = secrets.randbits(32) if seed is None else seed
    manners = manners or Manners()
    ledger, script, mishaps = Ledger(), Script(), Mishaps()
    media = (media_host, flite, tones)
    studio = _voice_studio(*media) if events_only is None else _events_studio(seed, events_only)
    calls = Calls(seed, ledger, script, mishaps, studio, session_seconds, legacy_item_created)
    unguessable = Identifiers(secrets.SystemRandom())
    ephemeral, identity = EphemeralSecrets(unguessable), Identity(unguessable)
    app = web.Application(client_max_size=LONGEST_BODY_BYTES, middlewares=[_notes(ledger), _cors, _refusals])
    for dialect in DIALECTS:
        guard = Guard(dialect, ephemeral, identity)
        app.add_routes(Attending(dialect, calls, mishaps, guard, manners).routes())
        app.add_routes(Negotiation(dialect, seed, calls, mishaps, ephemeral, guard).routes())
    app.add_routes(identity.routes())
    app.add_routes(Control(ledger, mishaps, script, calls, manners).routes())

    _live_with(app, calls, studio)
    return app


def _live_with(app: web.Application, calls: Calls, studio: Studio) -> None:
    async def open_studio(_: web.Application) -> None:
        await studio.open()

    async def end_calls(_: web.Application) -> None:
        await calls.shut_down()
        await studio.close()

    app.on_startup.append(open_studio)
    app.on_shutdown.append(end_calls)


def _voice_studio(media_host: str, flite: str | None, tones: bool) -> Studio:
    from realtime_emulator.voice_call import (
        VoiceStudio,  # aiortc and av: not needed, nor loaded, without media
    )

    return VoiceStudio(media_host, flite=flite, tones=tones)


def _events_studio(seed: int, rate: float) -> Studio:
    from realtime_emulator.events_only import EventsStudio

    return EventsStudio(seed, rate)


def _notes(ledger: Ledger) -> Middleware:
    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        at, status = ledger.now(), 499
        try:
            response = await handler(request)
            status = response.status
        finally:
            if dialect_of(request.path):
                auth = read_credential(request.headers).kind
                call_id = _call_of(request)
                ledger.note_request(request.method, request.path, status, auth, call_id, at)
        return response

    return note


def _call_of(request: web.Request) -> str | None:
    """The call that a request made, was for, or asked after."""
    made: str | None = request.get(MADE_CALL)
    named = request.match_info.get("call_id") or request.query.get("call_id")
    return made or (named and named[:LONGEST_NOTED_ID])


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
