"""Whose turn it is to make the model speak: at most one response at a time belongs to the conversation.

Pure: it is told what the upstream said and what was sent, and says whether a `response.create` may go out now. Voice
detection asks for responses of its own, so that ours can still come second; then it waits for the next turn.
(OpenAI's API schema: a second one is refused with `conversation_already_has_active_response`.)
"""

from __future__ import annotations

from realtime import client_events, events
from realtime.fields import Event, object_of, text_of

UNHEARD = "unheard"


class Floor:
    """What is being said on one call."""

    def __init__(self) -> None:
        self.active: str | None = None
        """The response that is being made for the conversation."""

        self.asked: str | None = None
        """Our own `response.create` that nothing has answered yet."""

        self.audible: str | None = None
        """The response whose sound the caller hears."""

        self.listening: Event = {}
        """How the upstream listens (a session's `audio.input`), as it last told; empty where it has not."""

    @property
    def is_free(self) -> bool:
        """Whether a response may be asked for."""
        return self.active is None and self.asked is None

    def ask(self, event_id: str) -> None:
        """A `response.create` for the conversation goes out."""
        self.asked = event_id

    def forget(self, event_id: str) -> None:
        """Nobody waits for that answer any more."""
        if self.asked == event_id:
            self.asked = None

    def hear(self, event: Event) -> None:
        """One event of the upstream, in order."""
        kind = text_of(event, "type")
        response = object_of(event, "response")
        if kind == events.RESPONSE_CREATED:
            self._created(response)
        elif kind == events.RESPONSE_DONE:
            self._done(response)
        elif kind == events.AUDIO_STARTED:
            self.audible = text_of(event, "response_id") or "unnamed"
        elif kind in (events.AUDIO_STOPPED, events.AUDIO_CLEARED):
            self.audible = None
        elif kind in (events.SESSION_CREATED, events.SESSION_UPDATED):
            self.listening = object_of(object_of(object_of(event, "session"), "audio"), "input")
        elif kind == events.ERROR:
            self.forget(str(object_of(event, "error").get("event_id")))

    def is_taken(self) -> None:
        """The upstream says that somebody speaks of whom we have not heard: we came later."""
        self.active = self.active or UNHEARD

    def lost(self) -> None:
        """Nothing was heard for a while: what is going on now is not known, and must not stop us for ever."""
        self.active = self.asked = self.audible = None

    def _created(self, response: Event) -> None:
        tag = client_events.tag_of(response)
        if tag is not None:
            self.forget(tag)
        if _is_aside(response):
            return
        self.active = text_of(response, "id")

    def _done(self, response: Event) -> None:
        if self.active in (UNHEARD, response.get("id")):
            self.active = None
        tag = client_events.tag_of(response)
        if tag is not None:
            self.forget(tag)


def _is_aside(response: Event) -> bool:
    # OpenAI's API schema: a response of the conversation names it, one out of band has null there.
    return "conversation_id" in response and response["conversation_id"] is None
