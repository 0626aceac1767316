"""One item of a conversation while its events come in: its words by content part, its times, its state.

The same words arrive several times, first in pieces and then whole, and not always in that order; each source has a
rank, and a lower one never overwrites a higher. It knows neither other items nor the order among them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, cast

from realtime import tools
from realtime.fields import Event, text_of
from realtime.tools import ToolCall

Role = Literal["user", "assistant", "system", "tool"]
STATED_ROLES = ("user", "assistant", "system")
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

    def extend(self, text: str, source: Source) -> None:
        """As `replace`, but words that were generated stay: what is only their beginning says that they were cut."""
        words = "".join(self.pieces)
        if words.startswith(text):
            self.source = max(self.source, source)
        elif source >= self.source or text.startswith(words):
            self.pieces, self.source = [text], max(self.source, source)


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
        self.tool: ToolCall | None = None
        self.audio_end_ms: int | None = None
        self.known_at_cut: int | None = None
        self.changed_seq = 0
        self._role_is_stated = False
        self._done = False
        self._parts: dict[int, Part] = {}
        self._counted: set[int] = set()

    @property
    def is_shown(self) -> bool:
        """Messages and calls of tools are turns; a tool's output keeps its place in the order without being one."""
        return (self.kind in (None, "message") or self.kind in tools.KINDS) and not self.deleted

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
        if role in STATED_ROLES:
            self.role, self._role_is_stated = cast(Role, role), True
        if status in STATUSES and not self._done:
            self.status = status
        if self.kind in tools.KINDS:
            self.become_tool().describe(content)

    def become_tool(self) -> ToolCall:
        """It is a call of a tool, as its item or an event about its arguments says."""
        self.kind = self.kind or "function_call"
        if self.tool is None:
            self.tool = ToolCall()
        self.role, self._role_is_stated = "tool", True
        return self.tool

    def finish(self, at: int) -> None:
        self._done = True
        self.ended_at = self.ended_at or at
        if self.tool is not None:
            self.tool.start(at)

    def cut(self, audio_end_ms: int | None = None) -> None:
        """Its sound ends here. The least `audio_end_ms` (milliseconds of this item's sound) that is stated counts."""
        if audio_end_ms is not None and (self.audio_end_ms is None or audio_end_ms < self.audio_end_ms):
            self.audio_end_ms = audio_end_ms
        if self.known_at_cut is None:
            self.known_at_cut = len(self.text) or None

    def take_part(self, index: int, part: Event, source: Source) -> None:
        """A content part as an item or an event shows it. An empty one says nothing about the words."""
        if (text_of(part, "type") or "").endswith("audio"):
            self.modality = "audio"
        text = text_of(part, "transcript") or text_of(part, "text")
        if text:
            self._put(index, text, source)

    def add_delta(self, index: int, delta: str | None) -> None:
        part = self._part(index)
        if delta and part.source == Source.DELTAS:
            part.pieces.append(delta)

    def set_text(self, index: int, text: str | None, source: Source) -> None:
        """The whole words of a part; an empty text counts, silence is an answer too."""
        if text is not None:
            self._put(index, text, source)

    def count_once(self, index: int) -> bool:
        """True the first time: a part is transcribed, and billed, once."""
        is_new = index not in self._counted
        self._counted.add(index)
        return is_new

    def _put(self, index: int, text: str, source: Source) -> None:
        part = self._part(index)
        (part.extend if self.role == "assistant" else part.replace)(text, source)

    def _part(self, index: int) -> Part:
        return self._parts.setdefault(index, Part())


def _mended(text: str) -> str:
    """Two halves of a surrogate pair that came in two deltas are one character; a lone half is none."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
