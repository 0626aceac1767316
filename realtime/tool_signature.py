"""A Python function as a tool: what its typed signature and its docstring tell the model.

Knows how a signature becomes a JSON schema and how a model's arguments become the function's. It calls nothing.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from realtime.errors import Misconfigured
from realtime.operator_code import function_named, imported

CONTEXT: Final = "context"
"""A parameter of this name is not the model's: it gets the call that the function is run for."""

_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Signature:
    """One function. `schema` is a JSON schema (draft 2020-12) of its arguments, `description` its docstring's first
    paragraph, None where there is none."""

    def __init__(self, where: str, named: object) -> None:
        """`named`: "package.module:function". Raises Misconfigured with one sentence that begins with `where`."""
        self._function = _plain_function(where, named)
        parameters = inspect.signature(self._function).parameters
        self._wants_context = CONTEXT in parameters
        self._arguments = _structure(f"{where}: {named}", self._function, parameters)
        self.schema = _schema(f"{where}: {named}", self._arguments)
        self.description = _first_paragraph(self._function)

    def bound(self, arguments: Mapping[str, Any], context: object) -> Callable[[], object]:
        """The function with its arguments, ready to be called: each of the type that its signature says. Raises
        ValueError for arguments that it does not take."""
        given = msgspec.convert(dict(arguments), self._arguments)
        ready = {name: getattr(given, name) for name in self._arguments.__struct_fields__}
        if self._wants_context:
            ready[CONTEXT] = context
        return lambda: self._function(**ready)


def _plain_function(where: str, named: object) -> Callable[..., object]:
    name = str(function_named(where, {"function": "" if named is None else named}))
    function = imported(where, name)
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise Misconfigured(f"{where}: function: {name} must be a plain function, not async and no class.")
    return function


def _structure(
    where: str, function: Callable[..., object], parameters: Mapping[str, inspect.Parameter]
) -> type[msgspec.Struct]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as cause:
        raise Misconfigured(f"{where}: has a type that can't be resolved ({cause}).") from cause
    fields: list[tuple[str, Any, Any]] = []
    for name, parameter in parameters.items():
        if name == CONTEXT:
            continue
        if parameter.kind not in _KINDS or name not in hints:
            raise Misconfigured(f"{where}: {name} must be a parameter with a name and a type.")
        fields.append((name, hints[name], _default(parameter)))
    return msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)


def _default(parameter: inspect.Parameter) -> Any:
    if parameter.default is inspect.Parameter.empty:
        return msgspec.NODEFAULT
    if isinstance(parameter.default, (str, int, float, type(None))):
        return parameter.default
    return msgspec.field(default_factory=lambda: parameter.default)


def _schema(where: str, arguments: type[msgspec.Struct]) -> dict[str, Any]:
    try:
        _, parts = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    except TypeError as cause:
        raise Misconfigured(f"{where}: has a parameter of a type that JSON can't say ({cause}).") from cause
    schema: dict[str, Any] = parts.pop(arguments.__name__)
    del schema["title"]
    return schema | ({"$defs": parts} if parts else {})


def _first_paragraph(function: Callable[..., object]) -> str | None:
    text = (inspect.getdoc(function) or "").partition("\n\n")[0]
    return " ".join(text.split()) or None
