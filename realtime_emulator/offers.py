"""Judges an SDP offer before a peer is made for it, so that aiortc is given only what it can carry through.

aiortc's parser promises nothing about broken SDP, and a connection that breaks half-way cannot be closed
cleanly. Everything wrong becomes `OfferRefused` here.
"""

from aiortc.sdp import MediaDescription, SessionDescription

from realtime_emulator.refusals import OfferRefused

MOST_SECTIONS = 8
_KINDS = ("audio", "video", "application")
BROKEN = (ValueError, LookupError, AttributeError, TypeError, AssertionError, ArithmeticError)
"""What aiortc raises on SDP that it cannot read, found by trying thousands of broken offers."""


def read_offer(raw: bytes) -> str:
    """The offer, less its mDNS candidates. Raises `OfferRefused`."""
    offer = without_local_candidates(raw.decode("utf-8", errors="replace").lstrip())
    if not offer.startswith("v=0"):
        raise OfferRefused("failed to unmarshal SDP: it does not begin with v=0")
    try:
        _judge(SessionDescription.parse(offer))
    except BROKEN as error:
        raise OfferRefused(f"failed to unmarshal SDP: {type(error).__name__}") from error
    return offer


def without_local_candidates(offer: str) -> str:
    """Resolving a browser's `.local` names takes aiortc a second, and the call connects without them."""
    lines = offer.splitlines(keepends=True)
    return "".join(line for line in lines if not (line.startswith("a=candidate:") and ".local" in line))


def _judge(description: SessionDescription) -> None:
    sections = description.media
    if not 0 < len(sections) <= MOST_SECTIONS:
        raise OfferRefused(f"it has {len(sections)} media sections, 1 to {MOST_SECTIONS} are possible")
    for section in sections:
        _judge_section(section)
    mids = [section.rtp.muxId for section in sections]
    if len(set(mids)) < len(mids):
        raise OfferRefused("two of its media sections have the same mid")
    for group in description.group:
        if group.semantic == "BUNDLE" and not set(group.items) <= set(mids):
            raise OfferRefused("its BUNDLE names a mid that it does not have")
    if sum(section.kind == "application" for section in sections) > 1:
        raise OfferRefused("it has more than one data channel section")


def _judge_section(section: MediaDescription) -> None:
    if section.kind not in _KINDS:
        raise OfferRefused(f"it has a media section of the unknown kind {section.kind[:20]}")
    if section.ice is None or not section.ice.usernameFragment or not section.ice.password:
        raise OfferRefused("a media section lacks its ice-ufrag or ice-pwd")
    if section.dtls is None or not section.dtls.fingerprints:
        raise OfferRefused("a media section lacks its fingerprint")
