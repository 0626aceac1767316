"""The tools that a profile names: what the model is told of each, and whether its arguments are what they should be.

It checks what the operator wrote and what the model wrote. It runs nothing, and does not know who may approve what.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError, ValidationError, best_match  # type: ignore[import-untyped]
from referencing import Registry

from realtime.errors import Misconfigured
from realtime.tool_signature import Signature

Kind = Literal["python", "http", "operator"]
KINDS: Final = ("python", "http", "operator")
_KEYS: Final[dict[str, tuple[set[str], set[str]]]] = {
    "python": ({"function"}, {"description", "timeout", "confirm"}),
    "http": ({"url", "description", "parameters"}, {"private", "timeout", "confirm"}),
    "operator": ({"description", "parameters"}, {"timeout"}),
}
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
DEFAULT_SECONDS: Final = {"python": 10.0, "http": 10.0, "operator": 60.0}
LONGEST_SECONDS: Final = 600.0
ARGUMENTS_MAX_BYTES: Final = 32 * 1024
FAULT_LONGEST: Final = 300  # characters of a sentence about arguments
CONFIRM_SECONDS: Final = 60.0
"""For so long an operator may let the model wait for an approval."""


class BadArguments(ValueError):
    """The model's arguments are not what the tool takes; the words are for the model."""


@dataclass(frozen=True)
class Tool:
    """One table `[name.tools.<tool>]`. `parameters`: a JSON schema, draft 2020-12. `timeout`: seconds, of an operator's
    answer for the kind `operator`, else of one run. `confirm`: an operator must approve each run. `private`: `url` is
    meant to be on this machine or in an inner network."""

    name: str
    kind: Kind
    description: str
    parameters: Mapping[str, Any]
    timeout: float
    confirm: bool = False
    signature: Signature | None = None
    url: str = ""
    private: bool = False

    @property
    def asks(self) -> bool:
        """Whether an operator is asked before anything happens."""
        return self.confirm or self.kind == "operator"

    @property
    def patience(self) -> float:
        """For so many seconds an operator is waited for."""
        return self.timeout if self.kind == "operator" else CONFIRM_SECONDS

    def as_json(self) -> dict[str, Any]:
        """As a session's `tools` hold it (OpenAI's API schema)."""
        said = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", **said}

    def read(self, arguments: str) -> dict[str, Any]:
        """The model's arguments. Raises BadArguments."""
        if len(arguments) > ARGUMENTS_MAX_BYTES:
            raise BadArguments(f"they are longer than {ARGUMENTS_MAX_BYTES // 1024} KiB")
        read = _object(arguments)
        try:
            wrong = best_match(_validator(self.parameters).iter_errors(read))
        except RecursionError:
            raise BadArguments("they are nested too deeply") from None
        if wrong is not None:
            raise BadArguments(_told(wrong))
        return read


def _object(arguments: str) -> dict[str, Any]:
    try:
        read = json.loads(arguments or "{}", parse_constant=_no_json)
        json.dumps(read, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise BadArguments("they are no JSON") from None
    if not isinstance(read, dict):
        raise BadArguments("they are no JSON object")
    return read


def _no_json(name: str) -> None:
    raise ValueError(name)


def _told(wrong: ValidationError) -> str:
    return f"{wrong.json_path}: {wrong.message}"[:FAULT_LONGEST]


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    # An empty registry: nothing that a schema names is ever fetched.
    return Draft202012Validator(schema, registry=Registry())


# -- what an operator wrote ----------------------------------------------------------------------------------------


def read_tools(where: str, tables: object, session: Mapping[str, Any]) -> dict[str, Tool]:
    """The table `[name.tools]`. Raises Misconfigured with one sentence that begins with `where`, which ends in "]".

    `session`: the profile's `[name.session]`; functions that stand there are answered by somebody else.
    """
    inside = where.removesuffix("]")
    if not isinstance(tables, dict) or not tables:
        raise Misconfigured(
            f"{inside}.tools]: must hold a table for each tool, such as {inside}.tools.weather]."
        )
    given = session.get("tools", [])
    if not isinstance(given, list):
        raise Misconfigured(f"{inside}.session]: tools must be a list.")
    if any(isinstance(one, dict) and one.get("type") == "function" for one in given):
        raise Misconfigured(
            f"{inside}.session]: tools has functions, and the profile has tools of its own: exactly one side must "
            "answer the model; name them all under tools."
        )
    return {name: _tool(f"{inside}.tools.{name}]", name, table) for name, table in tables.items()}


def _tool(where: str, name: str, table: object) -> Tool:
    if not _NAME.fullmatch(name):
        raise Misconfigured(
            f"{where}: a tool's name may have letters, digits, _ and -, at most 64; rename it."
        )
    if not isinstance(table, dict) or table.get("kind") not in KINDS:
        raise Misconfigured(f"{where}: kind must be {' or '.join(map(repr, KINDS))}.")
    kind: Kind = table["kind"]
    _check_keys(where, kind, table)
    signature = Signature(where, table["function"]) if kind == "python" else None
    described = signature.description if signature else None
    return Tool(
        name=name,
        kind=kind,
        description=_text(where, "description", table.get("description", described)),
        parameters=signature.schema if signature else _parameters(where, table["parameters"]),
        timeout=_seconds(where, table.get("timeout", DEFAULT_SECONDS[kind])),
        confirm=_yes_or_no(where, table, "confirm"),
        signature=signature,
        url=_text(where, "url", table["url"]) if kind == "http" else "",
        private=_yes_or_no(where, table, "private"),
    )


def _check_keys(where: str, kind: Kind, table: Mapping[str, Any]) -> None:
    needed, allowed = _KEYS[kind]
    unknown = sorted(table.keys() - needed - allowed - {"kind"})
    if unknown:
        known = ", ".join(sorted(needed | allowed))
        raise Misconfigured(f"{where}: unknown keys: {', '.join(unknown)}; of the kind {kind} are {known}.")
    missing = sorted(needed - table.keys())
    if missing:
        raise Misconfigured(f"{where}: {' and '.join(missing)} must be set.")


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        hint = ", here or in the function's docstring" if key == "description" else ""
        raise Misconfigured(f"{where}: {key} must be a text that is not empty{hint}.")
    return value


def _seconds(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LONGEST_SECONDS:
        raise Misconfigured(
            f"{where}: timeout must be seconds, more than 0 and at most {LONGEST_SECONDS:.0f}."
        )
    return float(value)


def _yes_or_no(where: str, table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise Misconfigured(f"{where}: {key} must be true or false.")
    return value


def _parameters(where: str, schema: object) -> dict[str, Any]:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise Misconfigured(f'{where}: parameters must be a JSON schema with type = "object".')
    try:
        json.dumps(schema, allow_nan=False)
        Draft202012Validator.check_schema(schema)
    except (TypeError, ValueError, RecursionError) as cause:
        raise Misconfigured(f"{where}: parameters may hold only what JSON can say.") from cause
    except SchemaError as cause:
        raise Misconfigured(f"{where}: parameters is no JSON schema: {cause.message}.") from cause
    _check_references(where, schema)
    return schema


def _check_references(where: str, schema: dict[str, Any]) -> None:
    named = set(schema.get("$defs", {}))
    for reference in _references(schema):
        if reference not in {f"#/$defs/{name}" for name in named}:
            raise Misconfigured(f"{where}: parameters: {reference!r} names nothing under $defs.")


def _references(schema: object) -> Iterator[object]:
    if isinstance(schema, dict):
        yield from (schema[key] for key in ("$ref", "$dynamicRef") if isinstance(schema.get(key), str))
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)
