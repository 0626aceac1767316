"""One call as a value: every column of its row. It knows no SQL."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from call_log.states import Certainty, EndReason, State


@dataclass(frozen=True, slots=True)
class Call:
    """One row. Times are UTC milliseconds; `metadata`, `consent` and `summary` are text as they were given
    (JSON for the first and the last); `ended_at` is also the time of a failure.

    `metadata` and `failure_detail` stand in another table, and only `calls.find` and `calls.list_page` read
    them. `carried` (JSON) is what a new holder goes on from. `salt` and `head` are the seal's; what the times of
    an erasure mean stands in `erasure`."""

    number: int
    call_id: str
    state: State
    profile: str
    model: str
    caller: str
    upstream: str
    recording: str
    underlying: str | None
    transcription: str | None
    upstream_call_id: str | None
    upstream_request_id: str | None
    consent: str | None
    created_at: int
    answered_at: int | None
    observed_at: int | None
    ended_at: int | None
    hang_up_wished_at: int | None
    hang_up_reason: str | None
    hang_up_by: str | None
    end_reason: EndReason | None
    end_certainty: Certainty | None
    failure_code: str | None
    holder: str | None
    epoch: int
    last_seq: int
    claimed_at: int | None
    peer_seen_at: int | None
    summary: str | None
    carried: str | None
    heir: str | None
    crashes: int
    salt: bytes | None
    head: bytes | None
    webhook: bool
    retention_days: int | None
    keep_until: int | None
    erased_at: int | None
    erased_by: str | None
    erased_seq: int | None
    scrubbed_at: int | None
    spent: int
    metadata: str | None = None
    failure_detail: str | None = None

    @classmethod
    def read(cls, row: Row[*tuple[Any, ...]]) -> "Call":
        """The value of a row that holds all columns of the table."""
        return cls(**row._mapping)
