"""The inbox: what others want of a call. The web puts, the holder takes, each message once.

It knows that a message was taken, by which epoch; what the message means is the holder's affair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from call_log.holding import held
from call_log.schema import calls, inbox

Kind = Literal["hang_up", "command", "report"]


@dataclass(frozen=True, slots=True)
class Message:
    """One row. `body` is JSON text; times are UTC milliseconds; `taken_epoch` is null when nobody will take
    it."""

    id: int
    number: int
    kind: Kind
    by: str
    at: int
    body: str | None
    taken_at: int | None
    taken_epoch: int | None


def put(db: Connection, number: int, *, kind: Kind, by: str, at: int, body: str | None = None) -> int:
    """Leave a message for the holder of a call, now or later; returns its id."""
    row = insert(inbox).values(number=number, kind=kind, by=by, at=at, body=body).returning(inbox.c.id)
    message_id: int = db.execute(row).scalar_one()
    return message_id


def take(db: Connection, node_id: str, holdings: Mapping[int, int], *, at: int) -> list[Message]:
    """The untaken messages, oldest first, of the calls that this node still holds at these epochs.

    They are marked as taken in the same transaction: after the commit nobody gets them again. `holdings` is
    `{number: epoch}`.
    """
    waiting = set(db.scalars(select(inbox.c.number).where(inbox.c.taken_at.is_(None))))
    mine = held(db, node_id, {number: holdings[number] for number in waiting & holdings.keys()})
    if not mine:
        return []
    epoch = select(calls.c.epoch).where(calls.c.number == inbox.c.number).scalar_subquery()
    rows = db.execute(
        update(inbox)
        .where(inbox.c.taken_at.is_(None), inbox.c.number.in_(mine))
        .values(taken_at=at, taken_epoch=epoch)
        .returning(inbox)
    )
    return sorted((Message(**row._mapping) for row in rows), key=lambda message: message.id)
