"""Whether the items and the responses of a call are the caller's, the model's or our own; or somebody slipped them in.

Pure: it is told what we sent and what the upstream said, in order, and names what nobody accounts for. Whoever may type
may also ask for a response to what was typed; what that response is told instead of the session's instructions, no
event shows (OpenAI's API schema: a response repeats its modalities, limit, voice and metadata, nothing else).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from realtime import events
from realtime.client_events import ITEM_CREATE, RESPONSE_CREATE, TAG, tag_of
from realtime.fields import Event, object_of, objects_of, text_of
from realtime.session_account import TOOLS, TURN_DETECTION, Leaves, leaves_of
from realtime.tamper_rules import ANSWER_TOOLS, ASK, PUSH_TO_TALK, TYPE

GRACE_SECONDS: Final = 0.5
"""For so long an item may be there before the event that says where it came from."""

ITEM_DELETE: Final = "conversation.item.delete"
_REMEMBERED: Final = 10_000
_RESPONSES_ALONE: Final = frozenset({"function_call", "mcp_call", "mcp_approval_request"})
_REPEATED: Final = ("output_modalities", "max_output_tokens", "audio.output.voice")


@dataclass(frozen=True)
class Trespass:
    """Something that nobody accounts for. `member`: what shows it, one word. `id`: the item's or the response's."""

    kind: Literal["session", "item", "deletion", "response"]
    member: str
    id: str | None = None
    is_beside: bool = False


class Ids:
    """The last so many ids of something; a page may make up any number."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, one: str | None) -> None:
        if one is not None:
            self._ids[one] = None
            if len(self._ids) > _REMEMBERED:
                del self._ids[next(iter(self._ids))]

    def drop(self, one: str | None) -> bool:
        """Whether it was there."""
        return one is not None and self._ids.pop(one, self) is None

    def __contains__(self, one: object) -> bool:
        return one in self._ids


class ItemAccount:
    """The items of one call. `turn` is called for each that entitles the page to ask for a response."""

    def __init__(self, page_may: frozenset[str], turn: Callable[[], None]) -> None:
        self._may, self._turn = page_may, turn
        self.ours, self._deleting = Ids(), Ids()
        self._made, self._spoken, self._judged = Ids(), Ids(), Ids()
        self._doubtful: dict[str, tuple[float, Trespass]] = {}

    def sent(self, event: Event) -> None:
        """A client event of ours goes out."""
        if event["type"] == ITEM_CREATE:
            self.ours.add(text_of(event["item"], "id"))
        elif event["type"] == ITEM_DELETE:
            self._deleting.add(text_of(event, "item_id"))

    def made(self, response: Event) -> None:
        """The items of a response, as it shows them."""
        for item in objects_of(response, "output"):
            self._is_made(text_of(item, "id"))

    def hear(self, event: Event, session: Leaves, now: float) -> list[Trespass]:
        """One event of the upstream, in order. `session`: as it was last shown."""
        kind = text_of(event, "type")
        if kind == events.OUTPUT_ITEM_ADDED:
            self._is_made(text_of(object_of(event, "item"), "id"))
        elif kind in (events.SPEECH_STARTED, events.TIMEOUT_TRIGGERED):
            self._spoken.add(text_of(event, "item_id"))
        elif kind == events.COMMITTED:
            self._committed(text_of(event, "item_id"), session)
        elif kind == events.ITEM_DELETED:
            return self._deleted(text_of(event, "item_id"))
        elif kind in (events.ITEM_ADDED, events.ITEM_CREATED):
            return self._added(object_of(event, "item"), session, now)
        return []

    def due(self, now: float) -> list[Trespass]:
        """The items that nothing has explained in time."""
        late = [item_id for item_id, (until, _) in self._doubtful.items() if until <= now]
        return [self._doubtful.pop(item_id)[1] for item_id in late]

    @property
    def is_doubtful(self) -> bool:
        """Whether there is an item whose origin is not known yet."""
        return bool(self._doubtful)

    def _is_made(self, item_id: str | None) -> None:
        self._made.add(item_id)
        self._doubtful.pop(str(item_id), None)

    def _committed(self, item_id: str | None, session: Leaves) -> None:
        by_hand = item_id not in self._spoken
        self._spoken.add(item_id)
        self._doubtful.pop(str(item_id), None)
        if PUSH_TO_TALK in self._may or (not by_hand and _answers_by_itself(session)):
            self._turn()

    def _deleted(self, item_id: str | None) -> list[Trespass]:
        for known in (self.ours, self._made, self._spoken, self._judged):
            known.drop(item_id)  # the same id may come again, for anything
        self._doubtful.pop(str(item_id), None)
        return [] if self._deleting.drop(item_id) else [Trespass("deletion", "item", item_id)]

    def _added(self, item: Event, session: Leaves, now: float) -> list[Trespass]:
        item_id = text_of(item, "id")
        if any(item_id in known for known in (self.ours, self._made, self._spoken, self._judged)):
            return []
        self._judged.add(item_id)
        kind = text_of(item, "type")
        member = str(text_of(item, "role")) if kind == "message" else str(kind)
        if self._is_the_pages(member):
            self._turn()
        elif member in ("system", "function_call_output", "mcp_approval_response"):
            return [Trespass("item", member, item_id)]
        elif member == "mcp_list_tools":
            return [] if _names_server(session, item) else [Trespass("item", member, item_id)]
        elif member in ("user", "assistant") or member in _RESPONSES_ALONE:
            self._doubtful[str(item_id)] = (now + GRACE_SECONDS, Trespass("item", member, item_id))
        return []

    def _is_the_pages(self, member: str) -> bool:
        deed = {"user": TYPE, "function_call_output": ANSWER_TOOLS}.get(member)
        return deed is not None and deed in self._may


class ResponseAccount:
    """The responses of one call."""

    def __init__(self, page_may: frozenset[str]) -> None:
        self._may = page_may
        self._asked, self._foreign = Ids(), Ids()
        self._untagged = self._turns = 0

    def sent(self, event: Event) -> None:
        """A client event of ours goes out."""
        if event["type"] == RESPONSE_CREATE:
            if tag_of(event.get("response", {})) is None:
                self._untagged += 1
            self._asked.add(event["event_id"])

    def turn(self) -> None:
        """Something that may be answered: the upstream, or a page that may, asks for a response to it."""
        self._turns += 1

    def gap(self) -> None:
        """Nothing was heard for a while: one response may come for what was missed."""
        self._turns += 1

    def hear(self, event: Event, session: Leaves) -> list[Trespass]:
        """One event of the upstream, in order. `session`: as it was last shown."""
        kind, response = text_of(event, "type"), object_of(event, "response")
        if kind == events.RESPONSE_CREATED and not self._is_ours(response):
            self._foreign.add(text_of(response, "id"))
            return self._created(response, session)
        if kind == events.RESPONSE_DONE and self._foreign.drop(text_of(response, "id")):
            return self._done(response, session)
        return []

    def _is_ours(self, response: Event) -> bool:
        """Each command accounts for one response: a page can read the tags of earlier ones."""
        if self._asked.drop(tag_of(response)):
            return True
        if tag_of(response) is None and self._untagged:
            self._untagged -= 1
            return True
        return False

    def _created(self, response: Event, session: Leaves) -> list[Trespass]:
        told = leaves_of(response)
        other: list[str] = [
            path for path in _REPEATED if path in told and session.get(path) not in (None, told[path])
        ]
        beside = "conversation_id" in response and response["conversation_id"] is None
        if TAG in object_of(response, "metadata") or (response.get("metadata") and not self._may):
            other.append("metadata")
        if beside and ASK not in self._may:
            other.append("conversation")
        elif not beside and not self._is_called_for():
            other.append("cause")
        return [Trespass("response", member, text_of(response, "id"), beside) for member in other]

    def _is_called_for(self) -> bool:
        if self._turns:
            self._turns -= 1
            return True
        return ASK in self._may

    def _done(self, response: Event, session: Leaves) -> list[Trespass]:
        """The tools that it was given show only in those that it calls."""
        named = {text_of(tool, "name") for tool in objects_of(session, TOOLS)}
        called = [one for one in objects_of(response, "output") if one.get("type") == "function_call"]
        if TOOLS not in session or all(text_of(one, "name") in named for one in called):
            return []
        return [Trespass("response", TOOLS, text_of(response, "id"))]


def _answers_by_itself(session: Leaves) -> bool:
    """Whether the upstream asks for a response to each turn that its voice detection hears."""
    if TURN_DETECTION not in session:
        return True
    detection = session[TURN_DETECTION]
    return isinstance(detection, dict) and detection.get("create_response", True) is not False


def _names_server(session: Leaves, item: Event) -> bool:
    return any(tool.get("server_label") == item.get("server_label") for tool in objects_of(session, TOOLS))
