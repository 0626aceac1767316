"""The responses of one call: at most one at a time in the conversation, any number beside it. Knows what is playing."""

from collections import deque
from typing import Any

from realtime_emulator.answers import decide
from realtime_emulator.line import Line
from realtime_emulator.refusals import Mistake
from realtime_emulator.response import Response, Voice
from realtime_emulator.response_options import read_input, read_options
from realtime_emulator.session import Session
from realtime_emulator.sound import Cut, Loudspeaker, Reader
from realtime_emulator.usage import Meter

MOST_ASIDE = 16
"""Responses out of band that may run at the same time."""
KEPT_RESPONSES = 64
"""Those that run and those whose sound still plays are among the last so many."""


class Responses:
    def __init__(self, line: Line, synthesizer: Reader, speaker: Loudspeaker) -> None:
        self._line, self._speaker = line, speaker
        self._voice = Voice(synthesizer, speaker, Meter())
        self._latest: Response | None = None
        self._recent: deque[Response] = deque(maxlen=KEPT_RESPONSES)
        self.made = 0
        """How many were begun in the conversation."""

    @property
    def active(self) -> Response | None:
        """The one that is being made for the conversation."""
        return self._latest if self._latest and not self._latest.finished.is_set() else None

    @property
    def audible(self) -> bool:
        return self._speaker.speaking

    def create(self, raw: object = None, *, spoken: bool = False) -> Response:
        """Begin one; its `perform` carries it out. Raises `Mistake`, among others while another one is active.

        `raw` is the `response` of a `response.create`; `spoken`: the user's last words were spoken.
        """
        options = read_options(raw)
        context = read_input(options, self._line.conversation, self._line.ids)
        self._admit(aside=options.get("conversation") == "none")
        line = self._line
        tools = _callable(options, line.session)
        answers = decide(line.script, line.call_id, context, tools, spoken=spoken)
        response = Response(line, self._voice, options, context, answers)
        self._recent.append(response)
        if not response.aside:
            self._latest, self.made = response, self.made + 1
        response.create()
        return response

    async def wait_until_free(self) -> None:
        while active := self.active:
            await active.finished.wait()

    def note_started(self, response_id: str) -> None:
        if response := self._find(response_id):
            response.started.set()

    def cancel(self, response_id: object, reason: str) -> None:
        """Raises `Mistake` when there is nothing to cancel, which is often a harmless race."""
        wanted = self.active if response_id is None else self._find(response_id)
        if wanted is None or wanted.finished.is_set():
            raise Mistake("response_cancel_not_active", "Cancellation failed: no active response found")
        wanted.cancel(reason)

    def interrupt(self) -> None:
        """The caller has begun to speak: silence first, then the events, in the protocol's order."""
        cuts = self._speaker.clear()
        if active := self.active:
            active.cancel("turn_detected")
        self._tell_cuts(cuts)

    def clear_output(self) -> None:
        """A client wants silence. What is being made is made to its end, but no one will hear it."""
        self._tell_cuts(self._speaker.clear())

    def _tell_cuts(self, cuts: list[Cut]) -> None:
        """What was not heard is cut off the item too, and said. How the vendors announce it is not known."""
        for cut in cuts:
            if cut.heard_ms:
                self._line.emit("output_audio_buffer.cleared", response_id=cut.response_id)
            response = self._find(cut.response_id)
            item = response.spoken_item if response else None
            if item and self._line.conversation.cut_short(item, cut.heard_ms):
                place = {"item_id": item.id, "content_index": 0}
                self._line.emit("conversation.item.truncated", **place, audio_end_ms=cut.heard_ms)

    def _find(self, response_id: object) -> Response | None:
        return next((one for one in self._recent if one.id == response_id), None)

    def _admit(self, *, aside: bool) -> None:
        if aside:
            if sum(one.aside and not one.finished.is_set() for one in self._recent) >= MOST_ASIDE:
                message = f"At most {MOST_ASIDE} responses may run out of band. Wait until one is finished."
                raise Mistake("rate_limit_exceeded", message)
        elif active := self.active:
            message = (
                f"Conversation already has an active response in progress: {active.id}."
                " Wait until the response is finished before creating a new one."
            )
            raise Mistake("conversation_already_has_active_response", message)


def _callable(options: dict[str, Any], session: Session) -> set[str]:
    """The names of the functions that this response may call."""
    if options.get("tool_choice", session.tool_choice) == "none":
        return set()
    tools = options.get("tools", session.tools)
    return {str(one.get("name")) for one in tools if one.get("type") == "function"}
