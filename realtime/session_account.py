"""Whether a session is what its profile and our own updates make it.

Pure: it is told what we sent and which session the upstream shows, and names the members that nobody of this house
accounts for. Facts: an update is a partial merge, an update of ours is answered by one `session.updated`, and an
upstream shows more members than it was given (OpenAI's API schema; recordings on Azure and OpenAI, July 2026).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from realtime.client_events import contains
from realtime.fields import Event

Leaves = dict[str, Any]
"""A session's members by their paths, such as `audio.input.turn_detection`."""

TURN_DETECTION: Final = "audio.input.turn_detection"
INSTRUCTIONS: Final = "instructions"
TOOLS: Final = "tools"
MODEL: Final = "model"

_DEFAULTS: Final[Leaves] = {
    TOOLS: [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "output_modalities": ["audio"],
    "prompt": None,
    "audio.input.transcription": None,
    TURN_DETECTION: {"type": "server_vad"},
}
_LEARNED: Final = (INSTRUCTIONS, MODEL, "audio.output.voice")
"""What the upstream chooses where a profile doesn't: as it is first shown, so it must stay. A model is always the
upstream's to name: on Azure a profile knows the deployment alone."""

_GROUPS: Final = frozenset({"audio", "input", "output"})
_MERGED: Final = frozenset({"audio.input.transcription", TURN_DETECTION})
_SECRETS: Final = frozenset({"authorization", "headers"})
"""Of a tool on an MCP server: no upstream need show them again."""


@dataclass(frozen=True)
class _Sent:
    event_id: str
    leaves: Leaves
    until: float


class SessionAccount:
    """Of one call. `profile`: the session as it was asked for; empty: whatever is first seen. `may_push`: the page may
    turn voice detection off, and on again as it was."""

    def __init__(self, profile: Event, *, may_push: bool) -> None:
        self._wanted = _DEFAULTS | leaves_of(profile) if profile else dict[str, Any]()
        self._wanted.pop(MODEL, None)
        self._open = list(_LEARNED if profile else {*_LEARNED, *_DEFAULTS})
        self._learned: Leaves = {}
        self._sent: list[_Sent] = []
        self._may_push = may_push
        self.seen: Leaves = {}
        """As the session was last shown."""

    def sent(self, event_id: str, session: Event, until: float) -> None:
        """An update of ours goes out. After `until` it counts as answered, whatever was heard."""
        self._sent.append(_Sent(event_id, leaves_of(session), until))

    def taken(self, session: Event) -> None:
        """An update of ours was taken, before anything was heard here."""
        self._apply(leaves_of(session))

    def refused(self, event_id: str) -> None:
        """The upstream did not take an update of ours."""
        self._sent = [one for one in self._sent if one.event_id != event_id]

    def hear(self, session: Event, now: float) -> Leaves:
        """The session as the upstream shows it. Returns the members for which nobody accounts, as they are."""
        seen = leaves_of(session)
        self._settle(seen, now)
        seen = dict.fromkeys(self.seen) | seen  # what was shown and is no more is null
        self.seen = seen
        self._open = [path for path in self._open if not self._learn(path, seen)]
        strays = {
            path: seen[path] for path in self._wanted if path in seen and not self._accounts(path, seen)
        }
        for path in self._wanted.keys() & seen.keys() - strays.keys():
            self._remember(path, seen[path])
        return strays

    def remedy(self, strays: Leaves) -> Event:
        """The session of an update that sets these members right; empty where none of them can be."""
        session: Event = {}
        for path in strays.keys() - {MODEL}:
            *groups, name = path.split(".")
            place = session
            for group in groups:
                place = place.setdefault(group, {})
            place[name] = self._right(path)
        return session

    def _learn(self, path: str, seen: Leaves) -> bool:
        if path not in seen or path in self._wanted:
            return path in self._wanted
        self._wanted[path] = seen[path]
        return True

    def _remember(self, path: str, value: object) -> None:
        """As the upstream spells it out: no detail of it may change from here on."""
        if any(path in one.leaves for one in self._sent) or (
            value is None and self._wanted[path] is not None
        ):
            return
        self._learned.setdefault(path, value)

    def _accounts(self, path: str, seen: Leaves) -> bool:
        value, wanted = seen[path], self._wanted[path]
        if path == TURN_DETECTION and value is None and self._may_push:
            return True
        states = [*self._on_their_way(path), self._learned.get(path, wanted)]
        return any(_shows(path, value, state) for state in states)

    def _on_their_way(self, path: str) -> list[Any]:
        """The values that updates of ours may have given it by now."""
        states, state = [], self._wanted[path]
        for one in self._sent:
            if path in one.leaves:
                state = _merged(path, state, one.leaves[path])
                states.append(state)
        return states

    def _right(self, path: str) -> Any:
        states = self._on_their_way(path)
        if states:
            return states[-1]
        return self._wanted[path] if path == TOOLS else self._learned.get(path, self._wanted[path])

    def _settle(self, seen: Leaves, now: float) -> None:
        """Take our updates for done as far as the session shows them, in their order: one that changes nothing visible
        before its turn must not overtake another."""
        while self._sent:
            first = self._sent[0]
            if all(_shows(path, seen.get(path), value) for path, value in first.leaves.items()):
                self._apply(first.leaves)
            elif first.until > now:
                return
            self._sent.pop(0)

    def _apply(self, leaves: Leaves) -> None:
        for path, value in leaves.items():
            self._wanted[path] = _merged(path, self._wanted.get(path), value)
            self._learned.pop(path, None)


def leaves_of(session: Event, above: str = "") -> Leaves:
    """The members of a session that can be told apart and set, but what only names it."""
    leaves: Leaves = {}
    for key, value in session.items():
        if key in _GROUPS and isinstance(value, dict):
            leaves |= leaves_of(value, f"{above}{key}.")
        elif above or key not in ("type", "object", "id", "expires_at"):
            leaves[above + key] = value
    return leaves


def _merged(path: str, below: Any, above: Any) -> Any:
    """An update over what there was. Another kind of detection begins anew."""
    if path not in _MERGED or not isinstance(below, dict) or not isinstance(above, dict):
        return above
    same = above.get("type", below.get("type")) == below.get("type")
    return {**below, **above} if same else above


def _shows(path: str, seen: Any, value: Any) -> bool:
    """Whether a member as it is shown may be what was asked for."""
    if value in (None, "", [], {}):
        return seen in (None, "", [], {})
    if path == TOOLS and isinstance(value, list):
        value = [_open_members(one) if isinstance(one, dict) else one for one in value]
    return contains(seen, value)


def _open_members(tool: Event) -> Event:
    return {key: tool[key] for key in tool.keys() - _SECRETS}
