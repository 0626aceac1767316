"""What each event does to the state of a conversation. Pure: it asks no clock, touches nothing, and whatever an event
holds, it does not raise. Facts about the events are from OpenAI's API schema and from recordings on Azure and OpenAI,
July 2026. How the state is shown is told in `turns.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from realtime import events
from realtime.fields import Event, content_index, error_of, object_of, objects_of, text_of
from realtime.items import Item, Source
from realtime.order import Order
from realtime.responses import GapClock, Response
from realtime.usage import Usage


class Fold:
    """The state, and `hear`, which moves it on by one event.

    `reordered_seq`: the last event that moved, hid or showed an item which others stood around.
    """

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.responses: dict[str, Response] = {}
        self.order = Order()
        self.usage = Usage()
        self.errors = 0
        self.reordered_seq = 0
        self._gaps = GapClock()
        self._seen: set[str] = set()
        self._transcribes: bool | None = None  # None: the session has not been seen
        self._seq = 0
        self._at = 0

    def hear(self, seq: int, at: int, raw: bytes) -> None:
        """One event of the upstream; its id counts once, however often it comes."""
        head = events.header(raw)
        ear = _EARS.get(head.type)
        event = events.read(raw) if ear and head.event_id not in self._seen else None
        if ear is None or event is None:
            return
        if head.event_id is not None:
            self._seen.add(head.event_id)
        self._seq, self._at = seq, at
        ear(self, event)

    def response_of(self, item: Item) -> Response | None:
        return self.responses.get(item.response_id) if item.response_id else None

    def _item(self, item_id: str) -> Item:
        item = self.items.get(item_id)
        if item is None:
            item = self.items[item_id] = Item(item_id, self._at)
        item.changed_seq = self._seq
        return item

    def _place(self, item: Item, previous: str | None = None) -> None:
        if self.order.place(item.item_id, previous):
            self.reordered_seq = self._seq

    def _describe(self, content: Event, source: Source) -> Item | None:
        """An item as an event shows it; its place is another matter."""
        item_id = text_of(content, "id")
        if not item_id:
            return None
        item = self._item(item_id)
        was_shown = item.is_shown
        item.describe(content)
        for index, part in enumerate(objects_of(content, "content")):
            item.take_part(index, part, source)
        if item.is_shown != was_shown and item_id in self.order:
            self.reordered_seq = self._seq
        return item

    def item_added(self, event: Event) -> None:
        item = self._describe(object_of(event, "item"), Source.ANNOUNCED)
        if item:
            self._place(item, text_of(event, "previous_item_id"))
            self._await_words(item)

    def item_done(self, event: Event) -> None:
        # Its previous_item_id is null even where `added` had the real one (recorded): not a place to learn it.
        item = self._describe(object_of(event, "item"), Source.ITEM)
        if item:
            self._place(item)
            self._await_words(item)
            item.finish(self._at)

    def item_deleted(self, event: Event) -> None:
        item_id = text_of(event, "item_id")
        if item_id:
            item = self._item(item_id)
            item.deleted = True
            self._place(item)
            self.reordered_seq = self._seq

    def _await_words(self, item: Item) -> None:
        if item.role != "user" or not item.is_shown:
            return
        if item.modality == "text":
            self._gaps.forget()
        elif item.transcription is None:
            item.transcription = "off" if self._transcribes is False else "pending"

    def session_seen(self, event: Event) -> None:
        hearing = object_of(object_of(object_of(event, "session"), "audio"), "input")
        if "transcription" in hearing:
            self._transcribes = isinstance(hearing["transcription"], dict)

    def _spoken(self, event: Event) -> Item | None:
        """The item of an event that only a user's sound causes."""
        item_id = text_of(event, "item_id")
        if not item_id:
            return None
        item = self._item(item_id)
        item.suppose("user")
        item.modality = "audio"
        return item

    def speech_started(self, event: Event) -> None:
        self._gaps.forget()
        item = self._spoken(event)
        if item:
            item.started_at = self._at

    def speech_stopped(self, event: Event) -> None:
        self._gaps.start(self._seq, self._at)
        item = self._spoken(event)
        if item:
            item.ended_at = self._at

    def committed(self, event: Event) -> None:
        item = self._spoken(event)
        if item:
            item.ended_at = item.ended_at or self._at
            self._place(item, text_of(event, "previous_item_id"))
            self._await_words(item)

    def transcription_grew(self, event: Event) -> None:
        item = self._spoken(event)
        if item:
            self._place(item)
            self._await_words(item)
            item.add_delta(content_index(event), text_of(event, "delta"))

    def transcription_completed(self, event: Event) -> None:
        item = self._spoken(event)
        if item is None:
            return
        self._place(item)
        item.set_text(content_index(event), text_of(event, "transcript"), Source.TRANSCRIBED)
        item.transcription, item.error = "completed", None
        if item.count_once(content_index(event)):
            self.usage.add_transcription(event.get("usage"))

    def transcription_failed(self, event: Event) -> None:
        item = self._spoken(event)
        if item is None:
            return
        self._place(item)
        self.errors += 1
        if item.transcription != "completed":
            item.transcription, item.error = "failed", error_of(object_of(event, "error"))

    def _response(self, event: Event) -> tuple[str, Response] | None:
        response_id = text_of(event, "response_id") or text_of(object_of(event, "response"), "id")
        return (response_id, self.responses.setdefault(response_id, Response())) if response_id else None

    def _said(self, event: Event, item_id: str | None) -> Item | None:
        """The item of an event of a response, joined to that response."""
        if not item_id:
            return None
        item, found = self._item(item_id), self._response(event)
        item.suppose("assistant")
        self._place(item)
        if found and item.response_id is None:
            item.response_id = found[0]
            found[1].items.append(item_id)
        return item

    def _touch(self, response: Response) -> None:
        for item_id in response.items:
            self.items[item_id].changed_seq = self._seq

    def response_created(self, event: Event) -> None:
        found = self._response(event)
        if found:
            found[1].created_seq = found[1].created_seq or self._seq

    def output_item_added(self, event: Event) -> None:
        item = self._describe(object_of(event, "item"), Source.ANNOUNCED)
        self._said(event, item.item_id if item else None)

    def output_item_done(self, event: Event) -> None:
        item = self._describe(object_of(event, "item"), Source.ITEM)
        if item:
            self._said(event, item.item_id)
            item.finish(self._at)

    def part_added(self, event: Event) -> None:
        self._take_part(event, Source.ANNOUNCED)

    def part_done(self, event: Event) -> None:
        self._take_part(event, Source.SAID)

    def _take_part(self, event: Event, source: Source) -> None:
        item = self._said(event, text_of(event, "item_id"))
        if item:
            item.take_part(content_index(event), object_of(event, "part"), source)

    def words_grew(self, event: Event) -> None:
        item = self._said(event, text_of(event, "item_id"))
        if item:
            item.add_delta(content_index(event), text_of(event, "delta"))

    def spoken_words_grew(self, event: Event) -> None:
        self._mark_spoken(event)
        self.words_grew(event)

    def words_done(self, event: Event) -> None:
        item = self._said(event, text_of(event, "item_id"))
        if item:
            words = text_of(event, "transcript") or text_of(event, "text")
            item.set_text(content_index(event), words, Source.SAID)

    def spoken_words_done(self, event: Event) -> None:
        self._mark_spoken(event)
        self.words_done(event)

    def _mark_spoken(self, event: Event) -> None:
        item_id = text_of(event, "item_id")
        if item_id:
            self._item(item_id).modality = "audio"

    def response_done(self, event: Event) -> None:
        found = self._response(event)
        if found is None:
            return
        response, content = found[1], object_of(event, "response")
        if not response.done:
            self.usage.add(content.get("usage"))
            self.errors += content.get("status") == "failed"
            response.finish(content, self._at)
        for output in objects_of(content, "output"):
            item = self._describe(output, Source.LAST_WORD)
            self._said(event, item.item_id if item else None)
        self._touch(response)

    def audio_started(self, event: Event) -> None:
        found = self._response(event)
        if found and found[1].audio_started_at is None:
            found[1].audio_started_at = self._at
            found[1].gap_ms = self._gaps.close(found[1].created_seq, self._at)
            self._touch(found[1])

    def audio_ended(self, event: Event) -> None:
        found = self._response(event)
        if found:
            found[1].audio_ended_at = self._at
            self._touch(found[1])

    def error_seen(self, event: Event) -> None:
        self.errors += 1


_EARS: Final[dict[str, Callable[[Fold, Event], None]]] = {
    events.ERROR: Fold.error_seen,
    events.SESSION_CREATED: Fold.session_seen,
    events.SESSION_UPDATED: Fold.session_seen,
    events.ITEM_ADDED: Fold.item_added,
    events.ITEM_CREATED: Fold.item_added,
    events.ITEM_DONE: Fold.item_done,
    events.ITEM_RETRIEVED: Fold.item_done,
    events.ITEM_DELETED: Fold.item_deleted,
    events.TRANSCRIPTION_DELTA: Fold.transcription_grew,
    events.TRANSCRIPTION_COMPLETED: Fold.transcription_completed,
    events.TRANSCRIPTION_FAILED: Fold.transcription_failed,
    events.SPEECH_STARTED: Fold.speech_started,
    events.SPEECH_STOPPED: Fold.speech_stopped,
    events.COMMITTED: Fold.committed,
    events.RESPONSE_CREATED: Fold.response_created,
    events.RESPONSE_DONE: Fold.response_done,
    events.OUTPUT_ITEM_ADDED: Fold.output_item_added,
    events.OUTPUT_ITEM_DONE: Fold.output_item_done,
    events.CONTENT_PART_ADDED: Fold.part_added,
    events.CONTENT_PART_DONE: Fold.part_done,
    events.TEXT_DELTA: Fold.words_grew,
    events.TEXT_DONE: Fold.words_done,
    events.AUDIO_TRANSCRIPT_DELTA: Fold.spoken_words_grew,
    events.AUDIO_TRANSCRIPT_DONE: Fold.spoken_words_done,
    events.AUDIO_STARTED: Fold.audio_started,
    events.AUDIO_STOPPED: Fold.audio_ended,
    events.AUDIO_CLEARED: Fold.audio_ended,
}
