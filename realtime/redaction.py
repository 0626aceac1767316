"""What a profile wants taken out of every text before it is stored: patterns, a Python function, or both.

It checks what the operator wrote and makes one function of it, str → str. Where and for how long that runs is not
known here: a pattern can take for ever.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from realtime.errors import Misconfigured

MARK = "[redacted]"
_KEYS = ("patterns", "function")

_IMPORT_FAULTS = (
    ImportError,
    AttributeError,
    SyntaxError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
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
        redaction = cls(_patterns(where, table), _function(where, table))
        redaction.compiled(where)
        return redaction

    def compiled(self, where: str = "redact") -> Replace:
        """One function of it all. Raises Misconfigured for a pattern that is none and a function that is not there."""
        patterns = [_compiled(where, pattern) for pattern in self.patterns]
        function = _imported(where, self.function) if self.function else None

        def replace(text: str) -> str:
            for pattern in patterns:
                text = pattern.sub(MARK, text)
            return function(text) if function else text

        return replace


def _patterns(where: str, table: Mapping[str, Any]) -> tuple[str, ...]:
    given = table.get("patterns", [])
    if not isinstance(given, list) or not all(isinstance(pattern, str) and pattern for pattern in given):
        raise Misconfigured(f"{where}: patterns must be a list of texts, none of them empty.")
    if not given and "function" not in table:
        raise Misconfigured(f"{where}: patterns is empty; write a pattern, or leave the table out.")
    return tuple(given)


def _function(where: str, table: Mapping[str, Any]) -> str | None:
    named = table.get("function")
    if named is not None and not (isinstance(named, str) and re.fullmatch(r"[\w.]+:\w+", named)):
        raise Misconfigured(f'{where}: function must be named as "package.module:function".')
    return named


def _compiled(where: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as cause:
        raise Misconfigured(f"{where}: patterns: {pattern!r} is no regular expression ({cause}).") from cause


def _imported(where: str, named: str) -> Replace:
    module, _, name = named.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except _IMPORT_FAULTS as cause:
        raise Misconfigured(f"{where}: function: {named} can't be imported ({cause}).") from cause
    if not callable(function):
        raise Misconfigured(f"{where}: function: {named} is nothing that can be called.")

    def replace(text: str) -> str:
        given = function(text)
        if not isinstance(given, str):
            raise TypeError(f"{named} gave back {type(given).__name__}, not str")
        return given

    return replace
