"""What a profile wants taken out of every text before it is stored: patterns, a Python function, or both.

It checks what the operator wrote and makes one function of it, str → str. Where and for how long that runs is not
known here: a pattern can take for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from realtime.errors import Misconfigured
from realtime.operator_code import compiled_pattern, function_named, imported, patterns_of

MARK = "[redacted]"
_KEYS = ("patterns", "function")

Replace = Callable[[str], str]


@dataclass(frozen=True)
class Redaction:
    """`patterns`: regular expressions of Python's `re`, each match of which becomes MARK. `function`:
    `package.module:name`, called with what the patterns left."""

    patterns: tuple[str, ...] = ()
    function: str | None = None

    @classmethod
    def read(cls, where: str, table: object) -> Redaction:
        """The table `[name.redact]`. Raises Misconfigured with one sentence that begins with `where`."""
        if not isinstance(table, dict) or not table.keys() <= set(_KEYS) or not table:
            raise Misconfigured(f"{where}: must be a table with {' or '.join(_KEYS)}, and nothing else.")
        redaction = cls(patterns_of(where, table), function_named(where, table))
        redaction.compiled(where)
        return redaction

    def compiled(self, where: str = "redact") -> Replace:
        """One function of it all. Raises Misconfigured for a pattern that is none and a function that is not there."""
        patterns = [compiled_pattern(where, pattern) for pattern in self.patterns]
        function = _function(where, self.function) if self.function else None

        def replace(text: str) -> str:
            for pattern in patterns:
                text = pattern.sub(MARK, text)
            return function(text) if function else text

        return replace


def _function(where: str, named: str) -> Replace:
    function = imported(where, named)

    def replace(text: str) -> str:
        given = function(text)
        if not isinstance(given, str):
            raise TypeError(f"{named} gave back {type(given).__name__}, not str")
        return given

    return replace
