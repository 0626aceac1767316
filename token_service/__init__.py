"""Opens calls, and shows what the call log remembers of them.

The web process: Flask, synchronous. Knows HTTP, and the order in which a call is opened. It attaches to no call and
writes no event: that is the observer's, and the two meet only in the call log.
"""

from __future__ import annotations

import atexit

from flask import Flask

from call_log.store import SchemaBehind, Store, StoreUnavailable
from realtime import logs
from realtime.client import Client
from realtime.errors import Misconfigured
from realtime.prices import Prices
from realtime.profiles import Profiles
from token_service import (
    calls,
    commands,
    connect,
    erase,
    hang_up,
    health,
    negotiation,
    pages,
    principals,
    problems,
    reports,
    request_log,
    token,
    transcript,
)
from token_service.conversations import Conversations
from token_service.settings import Settings

STORE_PATIENCE_SECONDS = 1.0
"""For its turn in this process, and again for the store's lock: a request that waits longer is told so."""


def startable_settings() -> Settings:
    """The settings of a process that could serve with them; else the process stops with one sentence."""
    try:
        settings = Settings.load()
        settings.upstream()
        settings.credential()
        Profiles.load(settings.profiles)
        Prices.load(settings.prices)
        Store(settings.database_url).require_current()
    except (Misconfigured, SchemaBehind, StoreUnavailable) as error:
        raise SystemExit(f"switchboard: {error}") from None
    return settings


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application. Stops the process with one sentence where a setting is missing or wrong."""
    return _wire(settings or startable_settings())


def _wire(settings: Settings) -> Flask:
    logs.configure(settings.log_level)
    upstream, profiles = settings.upstream(), Profiles.load(settings.profiles)
    client = Client(upstream, settings.credential())
    store = Store(settings.database_url, STORE_PATIENCE_SECONDS)
    opening = negotiation.Negotiation(store, client, upstream.kind)
    atexit.register(opening.close)

    conversations = Conversations(Prices.load(settings.prices))
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    app.config.update(MAX_CONTENT_LENGTH=connect.BODY_MAX_BYTES, MAX_FORM_MEMORY_SIZE=connect.BODY_MAX_BYTES)
    request_log.install(app)
    principals.install(app, open_loopback=settings.open_loopback)
    problems.install(app)
    app.register_blueprint(pages.blueprint(upstream))
    app.register_blueprint(connect.blueprint(opening, profiles))
    app.register_blueprint(token.blueprint(client, upstream, profiles))
    app.register_blueprint(calls.blueprint(store, conversations))
    app.register_blueprint(transcript.blueprint(store, conversations))
    app.register_blueprint(hang_up.blueprint(store, opening))
    app.register_blueprint(commands.blueprint(store, profiles, opening))
    app.register_blueprint(erase.blueprint(store))
    app.register_blueprint(reports.blueprint(store, opening, profiles))
    app.register_blueprint(health.blueprint(store, upstream, emulated=upstream.is_loopback))
    return app
