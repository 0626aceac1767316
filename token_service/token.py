"""GET /token: an ephemeral secret for a browser that negotiates with the upstream directly.

A call made so is outside our sight: no record, no limit, no hang-up. That is why it is a right of its own.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from access import Right
from realtime.client import Client
from realtime.deadline import Deadline
from realtime.endpoints import Upstream
from realtime.profiles import Profiles
from token_service import principals, queries
from token_service.connect import find_profile
from token_service.negotiation import CONNECT_SECONDS
from token_service.problems import Problem

TOKEN_SECONDS = 60
NEEDS_CONNECT = (
    "This profile wants its calls recorded, or agreed to; a direct call can be neither: use POST /connect."
)


def blueprint(client: Client, upstream: Upstream, profiles: Profiles) -> Blueprint:
    """The route of this module, bound to what it needs."""
    routes = Blueprint("token", __name__)

    @routes.get("/token")
    def token() -> Response:
        principals.require(Right.MINT_TOKEN)
        profile = find_profile(profiles, queries.read(queries.WhichProfile, request.args).profile)
        if profile.needs_connect:
            raise Problem(403, "needs_connect", NEEDS_CONNECT)
        minted = client.mint(profile.session_object(), TOKEN_SECONDS, Deadline(CONNECT_SECONDS))
        return jsonify(
            token=minted.value.reveal(),
            expires_at=minted.expires_at,
            endpoint=upstream.base,
            calls_url=upstream.calls_url,
            deployment=profile.model,
            profile=profile.name,
        )

    return routes
