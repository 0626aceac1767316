"""What may stand in a query string or a form: pydantic models, and the one way of reading them.

An unknown or repeated name is refused: a misspelt filter that is silently dropped lists the wrong calls, and a
field that nobody reads ("instructions", "api_base") must never look as if it had been obeyed.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from werkzeug.datastructures import MultiDict

from access import Role
from realtime.content import LineSource
from token_service.problems import Problem

CONSENT_MAX_CHARACTERS = 1_024
METADATA_MAX_CHARACTERS = 4_096
CALL_ID = re.compile(r"call_[0-9a-f]{32}")
LARGEST_SEQ = 2**53


def _json_object(text: str) -> str:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ValueError('must be a JSON object, such as {"order": "4711"}')
    return text


def _milliseconds(moment: Any) -> Any:
    return int(moment.timestamp() * 1000) if isinstance(moment, datetime) else moment


Seq = Annotated[int, Field(ge=0, le=LARGEST_SEQ)]
Moment = Annotated[AwareDatetime, AfterValidator(_milliseconds)]
CallId = Annotated[str, Field(pattern=f"^{CALL_ID.pattern}$")]
Word = Annotated[str, Field(min_length=1, max_length=128)]
State = Literal["dialling", "answered", "observed", "unobserved", "ended", "failed"]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(_Fields):
    """A route that takes no query at all."""


class Dial(_Fields):
    """What may come with an offer."""

    profile: Word = "default"
    consent: Annotated[str, Field(min_length=1, max_length=CONSENT_MAX_CHARACTERS)] | None = None
    metadata: (
        Annotated[str, Field(max_length=METADATA_MAX_CHARACTERS), AfterValidator(_json_object)] | None
    ) = None


class WhichProfile(_Fields):
    """The query of GET /token."""

    profile: Word = "default"


class WhichCalls(_Fields):
    """The query of GET /calls."""

    state: State | None = None
    profile: Word | None = None
    caller: Word | None = None
    end_reason: Word | None = None
    upstream_call_id: Word | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: CallId | None = None
    format: Literal["json", "csv"] | None = None


class Since(_Fields):
    """The query of GET /calls/<id>."""

    after: Seq = 0


class WhichEvents(_Fields):
    """The query of GET /calls/<id>/events."""

    after: Seq = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    source: LineSource | None = None
    type: Word | None = None
    format: Literal["json", "ndjson"] | None = None


class WhichTranscript(_Fields):
    """The query of GET /calls/<id>/transcript."""

    format: Literal["json", "text", "vtt"] | None = None


class ActingAs(_Fields):
    """The query of DELETE /calls/<id>: the role in which one hangs up."""

    role: Annotated[Role, BeforeValidator(lambda value: Role(value))] | None = None


Model = TypeVar("Model", bound=_Fields)


def read(model: type[Model], fields: MultiDict[str, str]) -> Model:
    """The fields as the model, or 400 `bad_query` with a sentence that names the first wrong one."""
    for name, values in fields.lists():
        if len(values) > 1:
            raise Problem(400, "bad_query", f"'{name[:64]}' stands more than once; give it once.")
    try:
        return model.model_validate(fields.to_dict())
    except ValidationError as error:
        raise Problem(400, "bad_query", sentence(error)) from None


def sentence(error: ValidationError) -> str:
    """The first thing that is wrong, in words for whoever sent it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0])[:64] if first["loc"] else "the query"
    if first["type"] == "extra_forbidden":
        return f"'{name}' is not taken here; leave it out."
    reason = first["msg"].removeprefix("Value error, ")
    return f"'{name}' is wrong: {reason[0].lower()}{reason[1:]}."


def when(at: int | None) -> str | None:
    """UTC milliseconds as RFC 3339, the one form in which a time leaves this service."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
