"""Reads what clients send, over the data channel or a sideband alike, and does it. One table, one method each."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from realtime_emulator.conversation import read_item
from realtime_emulator.line import Line, Outlet
from realtime_emulator.mishaps import UNTOLD_UPDATE
from realtime_emulator.refusals import Mistake, invalid_type, missing_parameter, unsupported_value
from realtime_emulator.responses import Responses

SHORTEST_COMMIT_MS = 100
LONGEST_EVENT_ID = 512

Event = dict[str, Any]


class InputBuffer(Protocol):
    """What was heard and is not committed yet."""

    @property
    def buffered_ms(self) -> int | float: ...

    def empty(self) -> None: ...


class TurnTaking(Protocol):
    """Whoever decides whose turn it is."""

    @property
    def microphone(self) -> InputBuffer: ...

    def commit_by_hand(self) -> None: ...


class ClientEvents:
    def __init__(
        self,
        line: Line,
        turns: TurnTaking,
        responses: Responses,
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`run` sets work going that ends with the call."""
        self._line, self._turns, self._responses, self._run = line, turns, responses, run
        self._sender: Outlet | None = None  # of the event that is being obeyed
        self._deeds: dict[str, Callable[[Event], None]] = {
            "session.update": self._update_session,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "input_audio_buffer.commit": self._commit_audio,
            "input_audio_buffer.clear": self._clear_input,
            "output_audio_buffer.clear": self._clear_output,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    def obey(self, event: Event, sender: Outlet) -> None:
        """Do what `event` asks. Raises `Mistake` when it cannot be done."""
        self._sender = sender
        kind = event.get("type")
        if kind is None:
            raise missing_parameter("type")
        deed = self._deeds.get(kind) if isinstance(kind, str) else None
        if deed is None:
            raise unsupported_value("type", kind, tuple(self._deeds))
        event_id = event.get("event_id")
        if event_id is not None and not (isinstance(event_id, str) and len(event_id) <= LONGEST_EVENT_ID):
            raise invalid_type("event_id", f"a string of at most {LONGEST_EVENT_ID} characters")
        deed(event)

    def _update_session(self, event: Event) -> None:
        if "session" not in event:
            raise missing_parameter("session")
        fixed = self._line.conversation.has_assistant_audio
        self._line.session.update(event["session"], voice_is_fixed=fixed)
        line, session = self._line, self._line.session.as_json()
        untold = line.mishaps.look(UNTOLD_UPDATE, line.call_id) is not None
        if untold and self._sender is line.channel:
            line.tell_page("session.updated", session=session)
        else:
            line.emit("session.updated", session=session)

    def _create_item(self, event: Event) -> None:
        item = read_item(event.get("item"), self._line.ids)
        previous = self._line.conversation.insert(item, event.get("previous_item_id"))
        self._line.emit("conversation.item.added", previous_item_id=previous, item=item.as_json())
        self._line.emit("conversation.item.done", previous_item_id=previous, item=item.as_json())

    def _retrieve_item(self, event: Event) -> None:
        item = self._line.conversation.find(_item_id(event))
        self._line.emit("conversation.item.retrieved", item=item.as_json())

    def _truncate_item(self, event: Event) -> None:
        index, end = event.get("content_index", 0), event.get("audio_end_ms")
        self._line.conversation.truncate(_item_id(event), index, end)
        item_id = event["item_id"]
        self._line.emit("conversation.item.truncated", item_id=item_id, content_index=index, audio_end_ms=end)

    def _delete_item(self, event: Event) -> None:
        self._line.conversation.delete(_item_id(event))
        self._line.emit("conversation.item.deleted", item_id=event["item_id"])

    def _commit_audio(self, event: Event) -> None:
        buffered = self._turns.microphone.buffered_ms
        if buffered < SHORTEST_COMMIT_MS:
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least"
                f" {SHORTEST_COMMIT_MS}ms of audio, but buffer only has {buffered:.2f}ms of audio."
            )
            raise Mistake("input_audio_buffer_commit_empty", message)
        self._turns.commit_by_hand()

    def _clear_input(self, event: Event) -> None:
        self._turns.microphone.empty()
        self._line.emit("input_audio_buffer.cleared")

    def _clear_output(self, event: Event) -> None:
        self._responses.clear_output()

    def _create_response(self, event: Event) -> None:
        self._run(self._responses.create(event.get("response")).perform())

    def _cancel_response(self, event: Event) -> None:
        self._responses.cancel(event.get("response_id"), "client_cancelled")


def event_id_of(event: Event) -> str | None:
    """The id to name in an error about this event; None when it has none that could be named."""
    event_id = event.get("event_id")
    return event_id[:LONGEST_EVENT_ID] if isinstance(event_id, str) else None


def _item_id(event: Event) -> str:
    item_id = event.get("item_id")
    if item_id is None:
        raise missing_parameter("item_id")
    if not isinstance(item_id, str):
        raise invalid_type("item_id", "a string")
    return item_id
