"""One item of a conversation while its events come in: its words by content part, its times, its state.

The same words arrive several times, first in pieces and then whole, and not always in that order; each source has a
rank, and a lower one never overwrites a higher. It knows neither other items nor the order among them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, cast, get_args

from realtime.fields import Event, text_of

Role = Literal["user", "assistant", "system", "tool"]
Modality = Literal["audio", "text"]
Transcription = Literal["pending", "completed", "failed", "off"]
STATUSES = frozenset({"in_progress", "completed", "cancelled", "failed", "incomplete"})


class Source(IntEnum):
    """Who says what a part holds, the most trustworthy last."""

    DELTAS = 0
    ANNOUNCED = 1  # the item or part as it was added
    SAID = 2  # the `.done` of the part's words
    ITEM = 3  # the item as it is done
    TRANSCRIBED = 4  # the finished transcription of what a user spoke
    LAST_WORD = 5  # `response.done`


class Part:
    """The words of one content part."""

    __slots__ = ("pieces", "source")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.source = Source.DELTAS

    def replace(self, text: str, source: Source) -> None:
        if source >= self.source:
            self.pieces, self.source = [text], source


class Item:
    """What is known of one item so far. Times are UTC milliseconds."""

    def __init__(self, item_id: str, at: int) -> None:
        self.item_id = item_id
        self.role: Role = "user"
        self.kind: str | None = None
        self.modality: Modality = "text"
        self.status: str | None = None
        self.transcription: Transcription | None = None
        self.response_id: str | None = None
        self.error: str | None = None
        self.started_at = at
        self.ended_at: int | None = None
        self.deleted = False
        self.changed_seq = 0
        self._role_is_stated = False
        self._done = False
        self._parts: dict[int, Part] = {}
        self._counted: set[int] = set()

    @property
    def is_shown(self) -> bool:
        """Messages are turns; calls of tools and their outputs keep their place in the order without being one."""
        return self.kind in (None, "message") and not self.deleted

    @property
    def final(self) -> bool:
        """Whether nothing more is awaited. What a user spoke waits for its transcription, not for its item."""
        if self.role == "user" and self.modality == "audio":
            return self.transcription in ("completed", "failed", "off")
        return self._done or self.status in ("completed", "incomplete")

    @property
    def text(self) -> str:
        words = ("".join(self._parts[index].pieces) for index in sorted(self._parts))
        return _mended("\n".join(text for text in words if text))

    def suppose(self, role: Role) -> None:
        """The role that an event implies, as long as none was stated."""
        if not self._role_is_stated:
            self.role = role

    def describe(self, content: Event) -> None:
        self.kind = text_of(content, "type") or self.kind
        role, status = text_of(content, "role"), text_of(content, "status")
        if role in get_args(Role):
            self.role, self._role_is_stated = cast(Role, role), True
        if status in STATUSES and not self._done:
            self.status = status

    def finish(self, at: int) -> None:
        self._done = True
        self.ended_at = self.ended_at or at

    def take_part(self, index: int, part: Event, source: Source) -> None:
        """A content part as an item or an event shows it. An empty one says nothing about the words."""
        if (text_of(part, "type") or "").endswith("audio"):
            self.modality = "audio"
        text = text_of(part, "transcript") or text_of(part, "text")
        if text:
            self._part(index).replace(text, source)

    def add_delta(self, index: int, delta: str | None) -> None:
        part = self._part(index)
        if delta and part.source == Source.DELTAS:
            part.pieces.append(delta)

    def set_text(self, index: int, text: str | None, source: Source) -> None:
        """The whole words of a part; an empty text counts, silence is an answer too."""
        if text is not None:
            self._part(index).replace(text, source)

    def count_once(self, index: int) -> bool:
        """True the first time: a part is transcribed, and billed, once."""
        is_new = index not in self._counted
        self._counted.add(index)
        return is_new

    def _part(self, index: int) -> Part:
        return self._parts.setdefault(index, Part())


def _mended(text: str) -> str:
    """Two halves of a surrogate pair that came in two deltas are one character; a lone half is none."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
