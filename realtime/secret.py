"""A text that never prints. It knows nothing of what the text opens; whoever needs it must ask by name,
with `reveal`."""

from __future__ import annotations

import hmac
from typing import NoReturn

SHOWN = "Secret(…)"


class Secret:
    """A key, token or ephemeral secret. `repr`, `str` and `format` show nothing of it, and it cannot be
    pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one header that it goes into."""
        return self._value

    def __repr__(self) -> str:
        return SHOWN

    def __str__(self) -> str:
        return SHOWN

    def __format__(self, spec: str) -> str:
        return format(SHOWN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    # Equal secrets must hash alike, and a hash of a secret is one more thing that tells of it.
    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A Secret is not to be copied or written down; reveal it where it is used.")


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
