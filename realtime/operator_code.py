"""Patterns and functions that an operator names in a profile: checked, compiled, imported.

What they are asked is the asker's to know, and where they run: a pattern can take for ever, a function do anything.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from realtime.errors import Misconfigured

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


def patterns_of(where: str, table: Mapping[str, Any]) -> tuple[str, ...]:
    """The list `patterns` of a table, which needs one or a `function`."""
    given = table.get("patterns", [])
    if not isinstance(given, list) or not all(isinstance(pattern, str) and pattern for pattern in given):
        raise Misconfigured(f"{where}: patterns must be a list of texts, none of them empty.")
    if not given and "function" not in table:
        raise Misconfigured(f"{where}: patterns is empty; write a pattern, or leave the table out.")
    return tuple(given)


def function_named(where: str, table: Mapping[str, Any]) -> str | None:
    """The name of the table's `function`, where it has one."""
    named = table.get("function")
    if named is not None and not (isinstance(named, str) and re.fullmatch(r"[\w.]+:\w+", named)):
        raise Misconfigured(f'{where}: function must be named as "package.module:function".')
    return named


def compiled_pattern(where: str, pattern: str) -> re.Pattern[str]:
    """Raises Misconfigured for a pattern that is none."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as cause:
        raise Misconfigured(f"{where}: patterns: {pattern!r} is no regular expression ({cause}).") from cause


def imported(where: str, named: str) -> Callable[..., object]:
    """The function of that name. Raises Misconfigured where there is none."""
    module, _, name = named.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except _IMPORT_FAULTS as cause:
        raise Misconfigured(f"{where}: function: {named} can't be imported ({cause}).") from cause
    if not callable(function):
        raise Misconfigured(f"{where}: function: {named} is nothing that can be called.")
    found: Callable[..., object] = function
    return found
