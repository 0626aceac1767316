"""Signs in a call's log that the upstream is not well, and that its session is at its cap.

Knows the events that say so. Pure: what is done about them is told elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

from call_log.events import EventRow
from realtime.events import ERROR, SESSION_CREATED, SESSION_UPDATED, read
from realtime.fields import object_of, text_of

DEGRADED = "observer.degraded"
SERVER_ERROR = "server_error"
SESSION_EXPIRED = "session_expired"
SESSION_ID = re.compile(r"\bsess_[A-Za-z0-9_]{1,64}")
SESSION_EVENTS = frozenset({SESSION_CREATED, SESSION_UPDATED})


class Trouble:
    """Hears the rows of one call, its own notes too, so that a cause which stands in the log is not told again."""

    def __init__(self) -> None:
        self.session_expired = False
        self.server_errors = 0
        self._session_id: str | None = None
        self._told: set[str] = set()

    def hear(self, row: EventRow) -> dict[str, Any] | None:
        """What is to be noted as `observer.degraded`, where this row is the first of its kind."""
        if row.type == DEGRADED:
            self._told.add(text_of(read(row.body) or {}, "cause") or "")
        if row.source != "upstream":
            return None
        if row.type in SESSION_EVENTS:
            self._session_id = text_of(object_of(read(row.body) or {}, "session"), "id") or self._session_id
        return self._error(object_of(read(row.body) or {}, "error")) if row.type == ERROR else None

    def is_new(self, cause: str) -> bool:
        """True once for each cause in the life of a call."""
        new = cause not in self._told
        self._told.add(cause)
        return new

    def _error(self, error: dict[str, Any]) -> dict[str, Any] | None:
        names = {text_of(error, "type"), text_of(error, "code")}
        self.session_expired |= SESSION_EXPIRED in names
        self.server_errors += SERVER_ERROR in names
        if SERVER_ERROR not in names or not self.is_new(SERVER_ERROR):
            return None
        # The vendor's support asks for the session's id; where no event named it, the message often does.
        named = SESSION_ID.search(text_of(error, "message") or "")
        return {"cause": SERVER_ERROR, "session_id": self._session_id or (named and named.group())}
