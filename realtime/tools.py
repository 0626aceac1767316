"""One call of a tool while its events come in: what was asked of it, what it answered, and when.

It does not know who runs the tool. Times are UTC milliseconds by the observer's clock.
"""

from __future__ import annotations

from typing import Any

from realtime.fields import Event, text_of

KINDS = frozenset({"function_call", "mcp_call"})
OUTPUT_KIND = "function_call_output"


class ToolCall:
    """`started_at`: its arguments were complete. `ended_at`: the conversation took its output."""

    def __init__(self) -> None:
        self.call_id: str | None = None
        self.name: str | None = None
        self.output: str | None = None
        self.started_at: int | None = None
        self.ended_at: int | None = None
        self._pieces: list[str] = []
        self._is_whole = False

    @property
    def arguments(self) -> str:
        """JSON, as the model wrote it."""
        return "".join(self._pieces)

    def describe(self, content: Event) -> None:
        """The item as an event shows it; the first id that it is given stays."""
        self.call_id = self.call_id or text_of(content, "call_id")
        self.name = text_of(content, "name") or self.name
        self.set_arguments(text_of(content, "arguments"))

    def add_delta(self, delta: str | None) -> None:
        if delta and not self._is_whole:
            self._pieces.append(delta)

    def set_arguments(self, arguments: str | None) -> None:
        """The whole of them. An empty text is an announcement."""
        if arguments:
            self._pieces, self._is_whole = [arguments], True

    def start(self, at: int) -> None:
        self.started_at = at if self.started_at is None else self.started_at

    def answer(self, output: str | None, at: int) -> None:
        """The first output counts."""
        if self.ended_at is None:
            self.output, self.ended_at = output, at

    def status(self, response_status: str | None) -> str:
        """`completed` with its output; before that, what became of its response if that did not complete."""
        if self.ended_at is not None:
            return "completed"
        return "in_progress" if response_status in (None, "completed") else str(response_status)

    def as_json(self, response_status: str | None) -> dict[str, Any]:
        """`{"call_id", "name", "arguments", "output", "started_at", "ended_at", "status"}`."""
        return {
            "call_id": self.call_id,
            "name": self.name,
            "arguments": self.arguments,
            "output": self.output,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "status": self.status(response_status),
        }
