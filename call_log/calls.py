"""The calls: from the intent to the end.

Functions over a connection; each is one narrow statement that repeats its condition and returns what it
changed, so that whoever came second learns it. It knows states and wishes, and nothing of what is said in a
call. Who holds a call is told in `holding`, what waits for a holder in `work`; both are reached from here.
"""

import json
import secrets

from sqlalchemy import Connection, ScalarSelect, bindparam, func, insert, select, update

from call_log import deliveries, inbox
from call_log.call import Call as Call
from call_log.holding import ENDING, conclude, outlived, unheld
from call_log.holding import Changes as Changes
from call_log.holding import Summary as Summary
from call_log.holding import adopt as adopt
from call_log.holding import claim as claim
from call_log.holding import held as held
from call_log.holding import held_by as held_by
from call_log.holding import numbers_held_by as numbers_held_by
from call_log.holding import reserve as reserve
from call_log.holding import summarise_held as summarise_held
from call_log.holding import update_held as update_held
from call_log.postgres_watch import hint
from call_log.schema import calls, texts
from call_log.seal import new_salt
from call_log.states import Certainty, EndReason, State, before
from call_log.work import INTENT_STALE_AFTER_MS as INTENT_STALE_AFTER_MS
from call_log.work import SESSION_LONGEST_MS as SESSION_LONGEST_MS
from call_log.work import Work as Work
from call_log.work import open_work as open_work

OUTCOME_UNKNOWN = "The process that dialled this call ended before it learned the outcome."


def new_call_id() -> str:
    """`call_` and 128 random bits in hex: it goes into addresses that must not be guessed."""
    return f"call_{secrets.token_hex(16)}"


def dial(
    db: Connection,
    *,
    call_id: str,
    profile: str,
    model: str,
    caller: str,
    upstream: str,
    recording: str,
    metadata: str | None,
    consent: str | None,
    at: int,
    underlying: str | None = None,
    transcription: str | None = None,
    retention_days: int | None = None,
    webhook: bool = False,
) -> Call:
    """Write the intent, before anything goes upstream. Without `retention_days` the call is kept for ever."""
    row = {
        "call_id": call_id,
        "state": "dialling",
        "profile": profile,
        "model": model,
        "caller": caller,
        "upstream": upstream,
        "recording": recording,
        "underlying": underlying,
        "transcription": transcription,
        "consent": consent,
        "created_at": at,
        "retention_days": retention_days,
        "webhook": webhook,
        "salt": new_salt(),
    }
    call = Call.read(db.execute(_INTENT, row).one())
    _write_text(db, call.number, "metadata", metadata)
    hint(db)
    return call


def answer(
    db: Connection, call_id: str, *, upstream_call_id: str | None, upstream_request_id: str | None, at: int
) -> Call | None:
    """The upstream took the call. Without its id nobody can attach or hang up: the call is then `unobserved`.

    Returns the row as it is now, so that a hang-up wish that came meanwhile can be read from it; None when
    the call was not dialling any more: the upstream's call must then be hung up.
    """
    state: State = "answered" if upstream_call_id else "unobserved"
    asked = {
        "of_id": call_id,
        "became": state,
        "upstream_call": upstream_call_id,
        "upstream_request": upstream_request_id,
        "now": at,
    }
    answered = db.execute(_ANSWER, asked).one_or_none()
    if answered is not None:
        deliveries.put(db, [answered.number], "call.answered", at=at)
    hint(db)
    return Call.read(answered) if answered else None


def fail(db: Connection, call_id: str, *, code: str, detail: str | None, at: int) -> bool:
    """The call did not come about. False when it was not dialling any more."""
    row = (
        update(calls)
        .where(calls.c.call_id == call_id, calls.c.state.in_(before("failed")))
        .values(state="failed", failure_code=code, ended_at=at, **ENDING)
        .returning(calls.c.number)
    )
    numbers = conclude(db, row, at=at)
    for number in numbers:
        _write_text(db, number, "failure_detail", detail)
    return len(numbers) == 1


def fail_stale_intents(db: Connection, *, older_than: int, at: int) -> int:
    """Give up the intents that were written before `older_than`: their web process died on the way, and
    nobody knows whether the upstream has a call. Returns how many."""
    stale = update(calls).where(calls.c.state == "dialling", calls.c.created_at < older_than)
    failed = stale.values(state="failed", failure_code="outcome_unknown", ended_at=at, **ENDING)
    numbers = conclude(db, failed.returning(calls.c.number), at=at)
    for number in numbers:
        _write_text(db, number, "failure_detail", OUTCOME_UNKNOWN)
    return len(numbers)


def wish_hang_up(db: Connection, call_id: str, *, reason: EndReason, by: str, at: int) -> Call | None:
    """Wish the end of a call that is not over; the first wish stays. Its holder finds it in the inbox, and
    whoever learns the upstream's id later finds it in the row. Returns the row, None for an unknown
    call."""
    asked = {"of_id": call_id, "now": at, "why": reason, "by": by}
    number = db.execute(_WISH, asked).scalar_one_or_none()
    if number is not None:
        inbox.put(db, number, kind="hang_up", by=by, at=at, body=json.dumps({"reason": reason, "by": by}))
    return find(db, call_id)


def find(db: Connection, call_id: str) -> Call | None:
    """One call, None when there is none of this id."""
    row = db.execute(_FIND, {"of_id": call_id}).one_or_none()
    return Call.read(row) if row else None


def of_number(db: Connection, number: int) -> Call:
    """The call that has this number; somebody's row points at it, so it is there."""
    return Call.read(db.execute(_WITH_TEXTS.where(calls.c.number == number)).one())


def standing(db: Connection, call_id: str) -> tuple[State, bool]:
    """A call's state and whether somebody wishes its end: the cheapest look at a call that is waited for."""
    row = db.execute(select(calls.c.state, calls.c.hang_up_wished_at).where(calls.c.call_id == call_id)).one()
    return row.state, row.hang_up_wished_at is not None


def list_page(
    db: Connection,
    *,
    state: State | None = None,
    profile: str | None = None,
    caller: str | None = None,
    since: int | None = None,
    until: int | None = None,
    upstream_call_id: str | None = None,
    end_reason: str | None = None,
    limit: int,
    before: int | None = None,
) -> list[Call]:
    """Calls, newest first. `since` (inclusive) and `until` (exclusive) bound `created_at` in UTC
    milliseconds; `before` is the number of the last call of the page before."""
    equal = {
        calls.c.state: state,
        calls.c.profile: profile,
        calls.c.caller: caller,
        calls.c.upstream_call_id: upstream_call_id,
        calls.c.end_reason: end_reason,
    }
    page = _WITH_TEXTS.where(*(column == value for column, value in equal.items() if value is not None))
    if since is not None:
        page = page.where(calls.c.created_at >= since)
    if until is not None:
        page = page.where(calls.c.created_at < until)
    if before is not None:
        page = page.where(calls.c.number < before)
    return [Call.read(row) for row in db.execute(page.order_by(calls.c.number.desc()).limit(limit))]


def count_by_state(db: Connection) -> dict[str, int]:
    """How many calls are in each state that has any."""
    rows = db.execute(select(calls.c.state, func.count().label("calls")).group_by(calls.c.state))
    return {row.state: row.calls for row in rows}


def count_crash(db: Connection, number: int) -> None:
    """An observer died while it worked on this call."""
    crashed = update(calls).where(calls.c.number == number, calls.c.ended_at.is_(None))
    db.execute(crashed.values(crashes=calls.c.crashes + 1))


def end_unheld(db: Connection, call_id: str, *, reason: EndReason, certainty: Certainty, at: int) -> bool:
    """End a call that no living node holds and that was never observed. The epoch grows, to refuse a holder that only
    seemed dead. One that was observed is the next observer's to end: it writes down what may be missing there."""
    row = (
        update(calls)
        .where(calls.c.call_id == call_id, calls.c.state.in_(before("ended")), unheld(calls))
        .where(calls.c.observed_at.is_(None))
        .values(
            state="ended",
            end_reason=reason,
            end_certainty=certainty,
            ended_at=at,
            holder=None,
            epoch=calls.c.epoch + 1,
            **ENDING,
        )
        .returning(calls.c.number)
    )
    return len(conclude(db, row, at=at)) == 1


def end_unreachable(db: Connection, *, older_than: int, at: int) -> int:
    """End the calls that were answered before `older_than` and that nobody follows, because their upstream id is not
    known or because their recording is off: the upstream has long ended them by its own limit. Returns how many."""
    row = (
        update(calls)
        .where(outlived(older_than))
        .values(state="ended", end_reason="unknown", end_certainty="inferred", ended_at=at, **ENDING)
        .returning(calls.c.number)
    )
    return len(conclude(db, row, at=at))


def _write_text(db: Connection, number: int, name: str, text: str | None) -> None:
    if text is not None:
        db.execute(insert(texts).values(number=number, name=name, text=text))


def _text(name: str) -> ScalarSelect[str]:
    """SQL: the text of that name; null when there is none, or when it was erased."""
    text = select(func.nullif(texts.c.text, "")).where(texts.c.number == calls.c.number, texts.c.name == name)
    return text.scalar_subquery()


_WITH_TEXTS = select(calls, *(_text(name).label(name) for name in ("metadata", "failure_detail")))
_FIND = _WITH_TEXTS.where(calls.c.call_id == bindparam("of_id"))
# Built once, like `holding`'s: with each call's intent, answer and hang-up.
_INTENT = insert(calls).returning(calls)
_WISH = (
    update(calls)
    .where(
        calls.c.call_id == bindparam("of_id"),
        calls.c.state.not_in(("failed", "ended")),
        calls.c.hang_up_wished_at.is_(None),
    )
    .values(hang_up_wished_at=bindparam("now"), hang_up_reason=bindparam("why"), hang_up_by=bindparam("by"))
    .returning(calls.c.number)
)
_ANSWER = (
    update(calls)
    .where(calls.c.call_id == bindparam("of_id"), calls.c.state == "dialling")
    .values(
        state=bindparam("became"),
        upstream_call_id=bindparam("upstream_call"),
        upstream_request_id=bindparam("upstream_request"),
        answered_at=bindparam("now"),
    )
    .returning(calls)
)
