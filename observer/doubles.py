"""Which of a call's last events came before: by their ids, and by a hash of what they said.

Knows ids and bytes. Keeps 16 bytes for each event, since every call of a node has its own of these.
"""

from __future__ import annotations

from typing import Literal

Seen = Literal["new", "again", "changed"]
HASH_BYTES = 8
ENTRY_BYTES = 2 * HASH_BYTES
_ANYTHING = bytes(HASH_BYTES)


class Doubles:
    """Remembers the last `kept` ids."""

    def __init__(self, kept: int) -> None:
        self._entries, self._longest, self._next = bytearray(), kept * ENTRY_BYTES, 0

    def see(self, event_id: str | None, raw: bytes) -> Seen:
        """Whether an event with this id came before: not at all, the very same, or with other words."""
        if event_id is None:
            return "new"
        name, said = _hash(event_id), _hash(raw)
        at = self._find(name)
        if at is None:
            self._keep(name + said)
            return "new"
        return (
            "again" if self._entries[at + HASH_BYTES : at + ENTRY_BYTES] in (said, _ANYTHING) else "changed"
        )

    def recall(self, event_id: str | None, raw: bytes | None) -> None:
        """An event of the log. `raw`: None where the log holds less than what came, so that nothing can be compared."""
        if event_id is not None and self._find(_hash(event_id)) is None:
            self._keep(_hash(event_id) + (_ANYTHING if raw is None else _hash(raw)))

    def _find(self, name: bytes) -> int | None:
        at = self._entries.find(name)
        while at % ENTRY_BYTES:  # found across two entries, or not at all (-1)
            if at < 0:
                return None
            at = self._entries.find(name, at + 1)
        return at

    def _keep(self, entry: bytes) -> None:
        self._entries[self._next : self._next + ENTRY_BYTES] = entry
        self._next = (self._next + ENTRY_BYTES) % self._longest


def _hash(value: str | bytes) -> bytes:
    # Keyed by this process: nobody outside can make two that are equal.
    return hash(value).to_bytes(HASH_BYTES, "little", signed=True)
