"""The outbox of the operator's webhook: what is to be told of which call, and how often that was tried.

A line is written in the transaction that makes it true, so that nothing is told that was not, and nothing that was is
forgotten. It knows when to try again; it knows no address and sends nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import BigInteger, Connection, Text, bindparam, exists, func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from call_log.schema import calls, deliveries

Event = Literal["call.answered", "call.ended", "call.limit_reached", "tool.approval_wanted"]

LEASE_MS = 60_000
"""So long a delivery is one observer's; one that died with it is tried by another then."""
SECOND_MS, HOUR_MS = 1_000, 3_600_000
RETRIES_MS = (
    5 * SECOND_MS,
    30 * SECOND_MS,
    2 * 60 * SECOND_MS,
    10 * 60 * SECOND_MS,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    24 * HOUR_MS,
)
"""Behind each try that failed; after the last of them nobody tries any more: two days in all."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`subject`: what the event is about beside the call: a limit, a function call; empty for the call itself. `tries`:
    this one included."""

    id: int
    number: int
    event: Event
    subject: str
    at: int
    tries: int


def put(db: Connection, numbers: Collection[int], event: Event, *, at: int, subject: str = "") -> None:
    """Have something told of these calls, once each, where their operator has a webhook."""
    if numbers:
        asked = {"numbers": list(numbers), "of_event": event, "about": subject, "now": at}
        db.execute(_PUT[db.dialect.name], asked)


def wait(db: Connection, *, at: int) -> bool:
    """Whether any is due; cheap, and writes nothing."""
    return bool(db.execute(select(exists().where(deliveries.c.next_at <= at))).scalar_one())


def take(db: Connection, *, at: int, limit: int) -> list[Delivery]:
    """Deliveries that are due, oldest first: they are this observer's for a minute."""
    due = (
        select(deliveries.c.id).where(deliveries.c.next_at <= at).order_by(deliveries.c.next_at).limit(limit)
    )
    taken = (
        update(deliveries)
        .where(deliveries.c.id.in_(due.with_for_update(skip_locked=True)), deliveries.c.next_at <= at)
        .values(next_at=at + LEASE_MS, tries=deliveries.c.tries + 1)
        .returning(*(deliveries.c[name] for name in Delivery.__slots__))
    )
    return sorted((Delivery(**row._mapping) for row in db.execute(taken)), key=lambda one: one.id)


def done(db: Connection, delivery: Delivery, *, status: int, at: int) -> None:
    """It was taken, or will never be: nobody tries again."""
    same = update(deliveries).where(deliveries.c.id == delivery.id)
    db.execute(same.values(next_at=None, done_at=at, status=status))


def failed(db: Connection, delivery: Delivery, *, status: int | None, at: int) -> bool:
    """It was not taken; `status` is the answer's, None where there was none. Whether it is tried again."""
    again = delivery.tries <= len(RETRIES_MS)
    next_at = at + RETRIES_MS[delivery.tries - 1] if again else None
    same = update(deliveries).where(deliveries.c.id == delivery.id, deliveries.c.tries == delivery.tries)
    db.execute(same.values(next_at=next_at, status=status, done_at=None if again else at))
    return again


def undelivered(db: Connection) -> int:
    """How many are still to be told, the ones that wait for another try included."""
    waiting = select(func.count()).where(deliveries.c.next_at.is_not(None))
    return db.execute(waiting).scalar_one()


_NOW = bindparam("now", type_=BigInteger)
_TOLD = select(
    calls.c.number,
    bindparam("of_event", type_=Text),
    bindparam("about", type_=Text),
    _NOW,
    _NOW,
    literal(0),
).where(calls.c.number.in_(bindparam("numbers", expanding=True)), calls.c.webhook)
_COLUMNS = ("number", "event", "subject", "at", "next_at", "tries")
# Built once: there is one with each call's answer and end, and the file's lock is in hand then.
_PUT = {
    "sqlite": sqlite.insert(deliveries).from_select(_COLUMNS, _TOLD).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(deliveries).from_select(_COLUMNS, _TOLD).on_conflict_do_nothing(),
}
