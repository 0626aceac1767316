"""The inbox: what others want of a call. The web puts, the holder makes each message an event of the call, once.

It knows which messages wait and which were taken, by which epoch; what a message means is the holder's affair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, func, insert, select, update

from call_log.database import News
from call_log.postgres_watch import hint
from call_log.schema import calls, inbox

Kind = Literal["hang_up", "command", "report", "late"]
"""`late`: events that a node heard before it lost the call, see `recording.hand_on`."""


@dataclass(frozen=True, slots=True)
class Message:
    """One row. `body` is JSON text, null once it is taken; times are UTC milliseconds; `taken_epoch` is null when
    nobody will take it."""

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
    row = {"number": number, "kind": kind, "by": by, "at": at, "body": body}
    message_id: int = db.execute(_PUT, row).scalar_one()
    if kind != "late":  # these come of transactions that write events
        hint(db, News.MESSAGES)
    return message_id


def count_since(db: Connection, number: int, *, kind: Kind, since: int) -> int:
    """How many messages of this kind the call got at `since` (UTC milliseconds) or later, taken or not."""
    counted = select(func.count()).where(inbox.c.number == number, inbox.c.kind == kind, inbox.c.at >= since)
    return db.execute(counted).scalar_one()


def waiting(db: Connection, node_id: str) -> list[Message]:
    """The untaken messages, oldest first, of the open calls that this node holds."""
    return [Message(*row) for row in db.execute(_WAITING, {"node_id": node_id})]


def take(db: Connection, taken: Mapping[int, int], *, at: int) -> None:
    """Mark messages as taken: `{id: epoch}`.

    Call it in the transaction that writes what came of them, behind the fence: a holder that dies before the commit
    leaves them to the next one, and none is carried out twice. The body goes: what it said is an event now,
    and an erasure must find each word in one place.
    """
    for epoch in sorted(set(taken.values())):
        ids = [message_id for message_id, of in taken.items() if of == epoch]
        db.execute(_TAKE, {"ids": ids, "now": at, "by_epoch": epoch})


# Built once: a command waits for each of them, and building one costs more than it does.
_PUT = insert(inbox).returning(inbox.c.id)
# A scalar, not a join: a planner that knows too little of young tables would begin with the calls.
_holder = (
    select(calls.c.holder)
    .where(calls.c.number == inbox.c.number, calls.c.ended_at.is_(None))
    .scalar_subquery()
)
_WAITING = (
    select(*(inbox.c[name] for name in Message.__slots__))
    .where(inbox.c.taken_at.is_(None), _holder == bindparam("node_id"))
    .order_by(inbox.c.id + 0)  # by the id alone SQLite would walk the whole table, to spare itself a sort
)
_TAKE = (
    update(inbox)
    .where(inbox.c.id.in_(bindparam("ids", expanding=True)), inbox.c.taken_at.is_(None))
    .values(taken_at=bindparam("now"), taken_epoch=bindparam("by_epoch"), body=None)
)
