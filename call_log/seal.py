"""The seal: what makes a later change of a call's events visible.

Each event gets a digest of its content under the call's salt, and a link: a code, under a key that is not in
the database, over the link before it, the event's place and name, and its digest. It knows bytes and keys, and
neither SQL nor what an event means.

- The salt is the call's own and random. An erasure drops salt and content and leaves the digests: without the
  salt nobody can try out words against them, and the chain still fits.
- The event's id is in the digest and not in the link, because a client may choose it: it is erased as well.
- Both codes are cut to 16 bytes, since they are on every row: to forge a link one must guess 128 bits, and to
  find another content for a digest try 2^127 of them. Collisions (2^64) would help only one who knows the salt
  and chooses contents while the call lasts.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import struct
from collections.abc import Sequence

from call_log.events import EventRow, storable

SALT_BYTES = CODE_BYTES = 16
KEY_LEAST_BYTES = 32
BEGINNING = b""
"""The link before a call's first event."""

BAD_KEY = (
    "SWITCHBOARD_SEAL_KEY must be at least 32 random bytes in hex or base64 (several: the newest first, commas "
    "between); make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
)


class BadKey(ValueError):
    """The key is none. Its text is a sentence, without the key."""


def new_salt() -> bytes:
    """A salt for one call."""
    return secrets.token_bytes(SALT_BYTES)


class Seal:
    """The keys, newest first: the first one seals, each of them is believed. They are never shown."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def of(cls, text: str) -> Seal:
        """From SWITCHBOARD_SEAL_KEY. Raises BadKey."""
        return cls([_key(part.strip()) for part in text.split(",")])

    def __repr__(self) -> str:
        return "Seal(…)"

    def link(self, call_id: str, previous: bytes, row: EventRow, digest: bytes) -> bytes:
        """The link of an event behind `previous`."""
        return _code(self._keys[0], _linked(call_id, previous, row, digest))

    def fits(self, call_id: str, previous: bytes, row: EventRow, digest: bytes) -> bool:
        """Whether the row's link is the one that belongs there."""
        said = _linked(call_id, previous, row, digest)
        return row.link is not None and any(
            hmac.compare_digest(_code(key, said), row.link) for key in self._keys
        )


class Chain:
    """One call's chain as its holder continues it; `head` is the link of the last event, as the call's row has
    it."""

    def __init__(self, seal: Seal, call_id: str, salt: bytes, head: bytes | None) -> None:
        self._seal, self._call_id, self._salt = seal, call_id, salt
        self._head = head or BEGINNING

    def sealed(self, row: EventRow) -> EventRow:
        """The next event, in the form in which it is stored, with its digest and link."""
        row = storable(row)
        digest = digest_of(self._salt, row)
        self._head = self._seal.link(self._call_id, self._head, row, digest)
        return row._replace(digest=digest, link=self._head)


def digest_of(salt: bytes, row: EventRow) -> bytes:
    """What stands for an event's id and content once they are gone."""
    return _code(salt, _framed(None if row.event_id is None else row.event_id.encode(), row.body))


def _linked(call_id: str, previous: bytes, row: EventRow, digest: bytes) -> bytes:
    place = struct.pack(">qq?", row.seq, row.at, row.browser)
    return _framed(
        b"switchboard event 1",
        previous,
        call_id.encode(),
        place,
        row.source.encode(),
        row.type.encode(),
        digest,
    )


def _framed(*fields: bytes | None) -> bytes:
    """Each field behind its length (4 bytes; -1 for none), so that no two lists of fields look alike."""
    return b"".join(
        struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field for field in fields
    )


def _code(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, said, "sha256")[:CODE_BYTES]


def _key(text: str) -> bytes:
    try:
        # A text that could be either is hex: 64 hex digits are what our own hint makes.
        if re.fullmatch(r"([0-9A-Fa-f]{2})+", text):
            key = bytes.fromhex(text)
        else:
            key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise BadKey(BAD_KEY) from None
    if len(key) < KEY_LEAST_BYTES:
        raise BadKey(BAD_KEY)
    return key
