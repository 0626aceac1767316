"""POST /connect: an SDP offer in, an SDP answer out, and the call's address.

Knows the two forms in which an offer may come and how little of it to look at. The offer goes on byte for byte.
"""

from __future__ import annotations

import select
import socket
from datetime import UTC, datetime

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from access import Right
from realtime.profiles import Profile, Profiles
from token_service import consent, principals, queries
from token_service.negotiation import Intent, Negotiation
from token_service.problems import Problem

BODY_MAX_BYTES = 128 * 1024
OFFER_MAX_BYTES = 64 * 1024
SDP = "application/sdp"

NO_OFFER = "There is no offer: post it as application/sdp, or in the form field 'sdp'."


def blueprint(negotiation: Negotiation, profiles: Profiles) -> Blueprint:
    """The route of this module, bound to what it needs."""
    routes = Blueprint("connect", __name__)

    @routes.post("/connect")
    def connect() -> Response:
        caller = principals.require(Right.CONNECT)
        offer, fields = _read_offer()
        dial = queries.read(queries.Dial, fields)
        profile = find_profile(profiles, dial.profile)
        consent.require(profile, dial.consent, datetime.now(UTC))
        intent = Intent(offer, profile, caller.subject, dial.metadata, dial.consent)
        opened = negotiation.open(intent, _client_is_gone)
        response = Response(opened.answer, 201, content_type=SDP)
        response.headers["Location"] = f"/calls/{opened.call_id}"
        response.headers["X-Call-Id"] = opened.call_id
        return response

    return routes


def find_profile(profiles: Profiles, name: str) -> Profile:
    """The profile of that name, or 422."""
    profile = profiles.get(name)
    if profile is None:
        raise Problem(422, "unknown_profile", f"No profile is called '{name}'; profiles.toml has the names.")
    return profile


def _read_offer() -> tuple[bytes, MultiDict[str, str]]:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "unsupported_media_type", "Send the offer without a Content-Encoding.")
    if request.mimetype == SDP:
        offer, fields = request.get_data(cache=False), request.args
    elif request.mimetype == "multipart/form-data":
        if request.args:
            raise Problem(
                400, "bad_query", "With a form, put every field into the form and leave the query empty."
            )
        offer, fields = _offer_of_form()
    else:
        raise Problem(415, "unsupported_media_type", f"Post the offer as {SDP} or as multipart/form-data.")
    check(offer)
    return offer, fields


def _offer_of_form() -> tuple[bytes, MultiDict[str, str]]:
    fields = MultiDict(request.form)
    texts = [text.encode() for text in fields.poplist("sdp")]
    files = [file.read() for file in request.files.getlist("sdp")]
    for name in request.files:
        if name != "sdp":
            fields.add(name, "")
    if len(texts) + len(files) > 1:
        raise Problem(400, "bad_query", "'sdp' stands more than once; give it once.")
    return next(iter(texts + files), b""), fields


def check(offer: bytes) -> None:
    """Refuse what can't be an offer before anything is spent on it; the upstream judges the rest."""
    if not offer.strip():
        raise Problem(400, "no_offer", NO_OFFER)
    if len(offer) > OFFER_MAX_BYTES:
        raise Problem(413, "too_large", "The offer is larger than 64 KiB; a browser's offer never is.")
    if not offer.startswith(b"v=0") or b"\nm=" not in offer or not _is_text(offer):
        raise Problem(
            422, "not_an_offer", "This is no SDP offer: post RTCPeerConnection.createOffer()'s sdp as it is."
        )


def _is_text(offer: bytes) -> bool:
    try:
        return "\ufffd" not in offer.decode() and b"\0" not in offer
    except UnicodeDecodeError:
        return False


def _client_is_gone() -> bool:
    """Whether the browser closed its connection while we negotiated. False where the server does not tell."""
    connection = request.environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
