"""What a profile looks for in what is said, and what it wants done then. It checks what the operator wrote, and makes
one question of it: a text and its circumstances, does it break the rule?

Where and for how long that runs is not known here: a pattern can take for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from realtime import events
from realtime.errors import Misconfigured
from realtime.fields import Event, object_of, objects_of, text_of
from realtime.operator_code import compiled_pattern, function_named, imported, patterns_of

Side = Literal["caller", "model"]
Action = Literal["note", "interrupt", "hang_up"]
SIDES = (*get_args(Side), "both")
_KEYS = ("patterns", "function", "side", "action", "shadow")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REASON = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

Judge = Callable[[str, Mapping[str, str]], str | None]
"""The reason why a text breaks the rule, or None."""


@dataclass(frozen=True)
class Guardrail:
    """`patterns`: regular expressions of Python's `re`, one of which found in a text breaks the rule. `function`:
    `package.module:name`, asked with the text and its circumstances where no pattern was found. `side`: whose words.
    `shadow`: say only what would have been done."""

    name: str
    patterns: tuple[str, ...] = ()
    function: str | None = None
    side: str = "both"
    action: Action = "note"
    shadow: bool = True

    @classmethod
    def read(cls, where: str, name: str, table: object) -> Guardrail:
        """One table `[profile.guardrails.<name>]`. Raises Misconfigured with one sentence that begins with `where`."""
        if not _NAME.fullmatch(name):
            raise Misconfigured(
                f"{where}: a rule's name may have letters, digits, _ and -, at most 64; rename it."
            )
        if not isinstance(table, dict) or not table.keys() <= set(_KEYS):
            raise Misconfigured(
                f"{where}: must be a table with some of {', '.join(_KEYS)}, and nothing else."
            )
        rule = cls(
            name,
            patterns_of(where, table),
            function_named(where, table),
            _one_of(where, table, "side", SIDES),
            _one_of(where, table, "action", get_args(Action)),
            _shadow(where, table.get("shadow", True)),
        )
        rule.compiled(where)
        return rule

    @property
    def enforces(self) -> bool:
        """Whether anything is done beside noting."""
        return not self.shadow and self.action != "note"

    def concerns(self, side: Side) -> bool:
        """Whether it looks at the words of this side."""
        return self.side in (side, "both")

    def compiled(self, where: str = "guardrails") -> Judge:
        """One question of it all. Raises Misconfigured for a pattern that is none and a function that is not there."""
        patterns = [compiled_pattern(where, pattern) for pattern in self.patterns]
        function = imported(where, self.function) if self.function else None

        def judge(text: str, context: Mapping[str, str]) -> str | None:
            if any(pattern.search(text) for pattern in patterns):
                return "pattern"
            return _reason(self.function, function(text, context)) if function else None

        return judge


@dataclass(frozen=True)
class Words:
    """Something that was said whole: what a rule is asked about."""

    side: Side
    item_id: str
    text: str


def words_of(event: Event) -> Words | None:
    """What an event tells that somebody said, or typed; None where it tells nothing whole."""
    kind = text_of(event, "type")
    if kind in (events.ITEM_ADDED, events.ITEM_CREATED):
        return _typed(object_of(event, "item"))
    side, member = _TOLD_IN.get(str(kind), (None, ""))
    return _words(side, text_of(event, "item_id"), text_of(event, member)) if side else None


_TOLD_IN: dict[str, tuple[Side, str]] = {
    events.TRANSCRIPTION_COMPLETED: ("caller", "transcript"),
    events.AUDIO_TRANSCRIPT_DONE: ("model", "transcript"),
    events.TEXT_DONE: ("model", "text"),
}


def _typed(item: Event) -> Words | None:
    if item.get("role") != "user":
        return None
    parts = [
        text_of(part, "text") for part in objects_of(item, "content") if part.get("type") == "input_text"
    ]
    return _words("caller", text_of(item, "id"), "\n".join(filter(None, parts)))


def _words(side: Side, item_id: str | None, text: str | None) -> Words | None:
    return Words(side, item_id, text) if item_id and text and text.strip() else None


def _reason(function: str | None, said: object) -> str | None:
    """What an operator's function answered: yes, no, or why. A reason that is no single word may quote the caller."""
    if said is None or isinstance(said, bool):
        return "function" if said else None
    if not isinstance(said, str):
        raise TypeError(f"{function} gave back {type(said).__name__}, not bool or str")
    return (said if _REASON.fullmatch(said) else "function") if said else None


def _one_of(where: str, table: Mapping[str, Any], key: str, known: tuple[str, ...]) -> Any:
    value = table.get(key, {"side": "both", "action": "note"}[key])
    if value not in known:
        raise Misconfigured(f"{where}: {key} must be {' or '.join(map(repr, known))}.")
    return value


def _shadow(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Misconfigured(f"{where}: shadow must be true or false.")
    return value
