"""The state of a conversation that is being folded, and the moves that several kinds of events share: to find an item,
describe it, place it, join it to its response. Pure; what each event does with them is told in the `fold_…` modules.
"""

from __future__ import annotations

from collections import Counter

from realtime import tools
from realtime.fields import Event, object_of, objects_of, text_of
from realtime.gaps import GapClock
from realtime.items import Item, Source
from realtime.order import Order
from realtime.responses import Response
from realtime.usage import Usage


class State:
    """`seq`, `at`: of the event that is being heard. `reordered_seq`: the last event that moved, hid or showed an item
    which others stood around. `audible`: the response whose sound is in the air. `gone`: items that were let go of, by
    their ids, with the role of those that were turns, else nothing; `gone_turns`: how many there are of each role;
    `gone_responses`: likewise. What an event still tells of one is told to an item that nobody has."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.responses: dict[str, Response] = {}
        self.gone: dict[str, str] = {}
        self.gone_turns: Counter[str] = Counter()
        self.gone_responses: dict[str, None] = {}
        self.order = Order()
        self.usage = Usage()
        self.errors = 0
        self.model: str | None = None
        self.reordered_seq = 0
        self.gaps = GapClock()
        self.audible: Response | None = None
        self.transcribes: bool | None = None  # None: the session has not been seen
        self.seq = 0
        self.at = 0
        self._outputs: dict[str, tuple[str | None, int]] = {}
        self._calls: dict[str, list[Item]] = {}

    def response_of(self, item: Item) -> Response | None:
        return self.responses.get(item.response_id) if item.response_id else None

    def item(self, item_id: str) -> Item:
        """The item, which the event in hand is about to change, and with it what else its response shows."""
        item = self.items.get(item_id)
        if item is None and item_id in self.gone:
            return Item(item_id, self.at)
        if item is None:
            item = self.items[item_id] = Item(item_id, self.at)
        item.changed_seq = self.seq
        response = self.response_of(item)
        if response is not None:
            self.touch(response)
        return item

    def touch(self, response: Response) -> None:
        for item_id in response.items:
            self.items[item_id].changed_seq = self.seq

    def place(self, item: Item, previous: str | None = None) -> None:
        if item.item_id not in self.gone and self.order.place(item.item_id, previous):
            self.reordered_seq = self.seq

    def describe(self, content: Event, source: Source) -> Item | None:
        """An item as an event shows it; its place is another matter."""
        item_id = text_of(content, "id")
        if not item_id:
            return None
        item = self.item(item_id)
        was_shown = item.is_shown
        item.describe(content)
        for index, part in enumerate(objects_of(content, "content")):
            item.take_part(index, part, source)
        if item.is_shown != was_shown and item_id in self.order:
            self.reordered_seq = self.seq
        self._join_tool(item, content)
        return item

    def _join_tool(self, item: Item, content: Event) -> None:
        """A call of a tool meets its output, whichever came first."""
        if item.item_id in self.gone:
            return
        if item.tool is not None:
            self.join_call(item)
            if item.kind != "function_call" and "output" in content:
                item.tool.answer(text_of(content, "output"), self.at)
        call_id = text_of(content, "call_id")
        if item.kind != tools.OUTPUT_KIND or not call_id or call_id in self._outputs:
            return
        self._outputs[call_id] = (text_of(content, "output"), self.at)
        for call in self._calls.get(call_id, ()):
            self._answer(self.item(call.item_id), call_id)

    def join_call(self, item: Item) -> None:
        """The item is a call of a tool: its output, if it is there already, or comes later, is known by its id."""
        call_id = item.tool.call_id if item.tool else None
        if item.item_id in self.gone:
            return
        if call_id and item not in self._calls.setdefault(call_id, []):
            self._calls[call_id].append(item)
            self._answer(item, call_id)

    def _answer(self, item: Item, call_id: str) -> None:
        if call_id in self._outputs and item.tool is not None:
            item.tool.answer(*self._outputs[call_id])

    def delete(self, item_id: str) -> None:
        """It is no turn any more."""
        self.reordered_seq = self.seq
        if self.gone.get(item_id):
            self.gone_turns[self.gone[item_id]] -= 1
            self.gone[item_id] = ""
        item = self.item(item_id)
        item.deleted = True
        self.place(item)

    def forget_call(self, call_id: str | None) -> None:
        """A call of a tool was let go of."""
        self._calls.pop(call_id or "", None)
        self._outputs.pop(call_id or "", None)

    def await_words(self, item: Item) -> None:
        if item.role != "user" or not item.is_shown:
            return
        if item.modality == "text":
            self.gaps.forget()
        elif item.transcription is None:
            item.transcription = "off" if self.transcribes is False else "pending"

    def response(self, event: Event) -> tuple[str, Response] | None:
        """The response that an event is about, and its id."""
        response_id = text_of(event, "response_id") or text_of(object_of(event, "response"), "id")
        if not response_id or response_id in self.gone_responses:
            return None
        return response_id, self.responses.setdefault(response_id, Response())

    def said(self, event: Event, item_id: str | None) -> Item | None:
        """The item of an event of a response, joined to that response."""
        if not item_id:
            return None
        item, found = self.item(item_id), self.response(event)
        if item_id in self.gone:
            return item
        item.suppose("assistant")
        if found and found[1].is_beside:
            self.order.place_beside(item_id)
        self.place(item)
        if found and item.response_id is None:
            self._join(item, *found)
        return item

    def _join(self, item: Item, response_id: str, response: Response) -> None:
        item.response_id = response_id
        if response.stand_in is not None:
            response.items.remove(response.stand_in.item_id)
            response.stand_in.deleted, response.stand_in = True, None
            self.reordered_seq = self.seq
        response.items.append(item.item_id)
        self.touch(response)

    def stand_in(self, response_id: str, response: Response) -> None:
        """A response that failed and left no item still has its place in the conversation: an empty turn."""
        if response.items or response_id in self.items:
            return
        item = response.stand_in = self.item(response_id)
        item.suppose("assistant")
        item.response_id = response_id
        response.items.append(response_id)
        self.order.place_beside(response_id)

    def cut(self, response: Response) -> None:
        for item_id in response.items:
            self.items[item_id].cut()
