"""For how long nobody has spoken and the model has not answered. Pure; it knows types of events and the times that it
is told, whatever clock they are from.

Deltas, rate limits and what the browser reports are no life: a line can be busy without anybody there.
"""

from __future__ import annotations

from typing import Final

from realtime import events

_BEGINS: Final = {
    events.SPEECH_STARTED: "speech",
    events.RESPONSE_CREATED: "response",
    events.AUDIO_STARTED: "sound",
}
_ENDS: Final = {
    events.SPEECH_STOPPED: "speech",
    events.INPUT_CLEARED: "speech",
    events.RESPONSE_DONE: "response",
    events.AUDIO_STOPPED: "sound",
    events.AUDIO_CLEARED: "sound",
}


class Idleness:
    """Of one call. Times are milliseconds, all of one clock."""

    def __init__(self, since: int = 0) -> None:
        self._since = since
        self._going_on: set[str] = set()

        self._heard = False

    @property
    def since(self) -> int | None:
        """Since when it is quiet; None while something is going on."""
        return None if self._going_on else self._since

    def hear(self, type: str, at: int) -> None:
        """One event of the upstream."""
        if type in _BEGINS:
            self._going_on.add(_BEGINS[type])
        elif type in _ENDS:
            self._going_on.discard(_ENDS[type])
        else:
            return
        self._heard = True
        self._since = max(self._since, at)

    def recall(self, since: int) -> None:
        """It was quiet since then, as somebody else had heard; for as long as nothing was heard here."""
        if not self._heard:
            self._since = since

    def lost(self, at: int) -> None:
        """The line was away: what went on then may have ended unheard, and must not count as life for ever."""
        if self._going_on:
            self._going_on.clear()
            self._since = max(self._since, at)

    def quiet_ms(self, now: int, since: int = 0) -> int:
        """For how long nothing has been said; counted from `since` at the earliest. 0 while something is."""
        return 0 if self._going_on else max(0, now - max(self._since, since))
