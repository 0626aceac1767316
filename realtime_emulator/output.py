"""What a response brings forth: a message or a function call, with its events in the recorded order. Knows no sound."""

from abc import ABC, abstractmethod
from typing import Any

from realtime_emulator.conversation import Item
from realtime_emulator.line import Line
from realtime_emulator.usage import split_pieces


class Output(ABC):
    """One item of a response. It is opened, grows by pieces and is closed; `said` is what it has grown to.

    The emitting is the subclass's: `_tell_delta` for each piece, and `_finish_content` once.
    """

    def __init__(self, line: Line, response_id: str, index: int, item: Item, *, aside: bool) -> None:
        """`aside`: the response is out of band, and the item is not part of the conversation."""
        self._line, self._response_id, self._index, self._aside = line, response_id, index, aside
        self.item = item
        self.pieces = split_pieces(item.words)
        self.said = ""
        self.made = 0
        self.opened = self.closed = False
        self._previous: str | None = None

    @abstractmethod
    def _tell_delta(self, piece: str) -> None:
        """One delta."""

    @abstractmethod
    def _finish_content(self) -> None:
        """The `.done` events of what the item holds; the item's body is complete afterwards."""

    def add(self, piece: str) -> None:
        self._tell_delta(piece)
        self.said += piece
        self.made += 1

    def open(self) -> None:
        self.opened = True
        self._tell_item("response.output_item.added")
        if not self._aside:
            self._previous = self._line.conversation.insert(self.item)
            item = self.item.as_json()
            self._line.emit("conversation.item.added", previous_item_id=self._previous, item=item)

    def close(self, status: str) -> None:
        """The `.done` events, which come for a cancelled response too."""
        self.closed = True
        self.item.words = self.said
        self.item.body["status"] = status
        self._finish_content()
        if not self._aside:
            item = self.item.as_json()
            self._line.emit("conversation.item.done", previous_item_id=self._told_previous(), item=item)
        self._tell_item("response.output_item.done")

    def _tell_item(self, type: str) -> None:
        item = self.item.as_json()
        self._line.emit(type, response_id=self._response_id, output_index=self._index, item=item)

    def _told_previous(self) -> str | None:
        """Recorded on both vendors: null here after a user's item, even when `added` had the real predecessor."""
        follows = [one.body["type"] for one in self._line.conversation if one.id == self._previous]
        return self._previous if follows == ["function_call_output"] else None

    def _place(self) -> dict[str, Any]:
        return {"response_id": self._response_id, "item_id": self.item.id, "output_index": self._index}


class Message(Output):
    def __init__(
        self, line: Line, response_id: str, index: int, text: str, *, spoken: bool, aside: bool
    ) -> None:
        body = {"id": line.ids.new("item"), "type": "message", "status": "in_progress", "role": "assistant"}
        super().__init__(line, response_id, index, Item({**body, "content": []}, text), aside=aside)
        self._spoken = spoken
        self._stream = "response.output_audio_transcript" if spoken else "response.output_text"

    def open(self) -> None:
        super().open()
        self._line.emit("response.content_part.added", **self._place(), **self._part(""))

    def _tell_delta(self, piece: str) -> None:
        padding = self._line.ids.obfuscation(piece)
        self._line.emit(f"{self._stream}.delta", **self._place(), delta=piece, obfuscation=padding)

    def _finish_content(self) -> None:
        line, place = self._line, self._place()
        if self._spoken:
            line.emit("response.output_audio.done", **place)
            line.emit(f"{self._stream}.done", **place, transcript=self.said)
            content = {"type": "output_audio", "transcript": self.said}
        else:
            line.emit(f"{self._stream}.done", **place, text=self.said)
            content = {"type": "output_text", "text": self.said}
        line.emit("response.content_part.done", **place, **self._part(self.said))
        self.item.body["content"] = [content]

    def _place(self) -> dict[str, Any]:
        return {**super()._place(), "content_index": 0}

    def _part(self, said: str) -> dict[str, Any]:
        part = {"type": "audio", "transcript": said} if self._spoken else {"type": "text", "text": said}
        return (
            {"part": part, "content": part} if self._line.dialect.repeats_part_as_content else {"part": part}
        )


class FunctionCall(Output):
    def __init__(
        self, line: Line, response_id: str, index: int, name: str, arguments: str, *, aside: bool
    ) -> None:
        body = {"id": line.ids.new("item"), "type": "function_call", "status": "in_progress", "name": name}
        # Recorded: a call's id is `call_` and 16 letters.
        body |= {"call_id": f"call_{line.ids.letters(16)}", "arguments": ""}
        super().__init__(line, response_id, index, Item(body, arguments), aside=aside)

    def _tell_delta(self, piece: str) -> None:
        type, padding = "response.function_call_arguments.delta", self._line.ids.obfuscation(piece)
        self._line.emit(type, **self._place(), delta=piece, obfuscation=padding)

    def _finish_content(self) -> None:
        self.item.body["arguments"] = self.said
        name = self.item.body["name"]
        self._line.emit(
            "response.function_call_arguments.done", **self._place(), name=name, arguments=self.said
        )

    def _place(self) -> dict[str, Any]:
        return {**super()._place(), "call_id": self.item.body["call_id"]}
