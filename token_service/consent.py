"""The statement that a caller agreed to, where a profile asks for one: which text, and when.

Knows its form. Whether the words of that version are enough, and who showed them, is the profile's author's affair.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from realtime.profiles import Profile
from token_service import queries
from token_service.problems import Problem

STATEMENT_MAX_BYTES = 1_024
AHEAD_MAX_SECONDS = 5 * 60
AGE_MAX_SECONDS = 366 * 24 * 3_600


class Statement(BaseModel):
    """`version` of the text, and `at`: when the caller agreed, RFC 3339 with an offset. More may stand beside them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    version: str = Field(min_length=1, max_length=64)
    at: AwareDatetime


def require(profile: Profile, given: str | None, now: datetime) -> None:
    """Refuse a call whose profile wants a statement that was not given: 403 with the version that is wanted, 400 for
    one that can't be read or whose time can't be."""
    if profile.consent is None:
        return
    if given is None:
        raise _required(profile.consent)
    statement = _read(given)
    if statement.version != profile.consent:
        raise _required(profile.consent)
    age = (now - statement.at).total_seconds()
    if not -AHEAD_MAX_SECONDS <= age <= AGE_MAX_SECONDS:
        raise Problem(
            400, "bad_consent", "The consent's 'at' is in the future or over a year old; set the clock right."
        )


def _read(given: str) -> Statement:
    if len(given.encode()) > STATEMENT_MAX_BYTES:
        raise Problem(
            400, "bad_consent", "The consent is longer than 1 KiB; leave out what is beside the statement."
        )
    try:
        return Statement.model_validate_json(given)
    except ValidationError as error:
        sentence = queries.sentence(error)
        raise Problem(
            400, "bad_consent", f"The consent is no statement with 'version' and 'at': {sentence}"
        ) from None


def _required(version: str) -> Problem:
    detail = (
        f"This profile needs the caller's consent: send 'consent' with version '{version}' and the time 'at'."
    )
    return Problem(403, "consent_required", detail, facts={"consent_version": version})
