"""Commands: what an operator, a caller, a policy or a tool asks the holder of a call to send, and what became of it.

It knows states and who moves a command from one to the next; each is one narrow statement that repeats its condition.
What a command says is not kept here: it waits in the inbox, and then stands in the call's events. A digest of it
tells whether the same command comes again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from call_log import inbox
from call_log.clock import DatabaseClock
from call_log.holding import held
from call_log.schema import commands

State = Literal["queued", "sent", "confirmed", "refused", "expired", "unknown"]
WAITING_MS = 30_000
"""A command that was not sent within this time is never sent: whoever asked has gone on."""
MESSAGE: inbox.Kind = "command"


@dataclass(frozen=True, slots=True)
class Command:
    """One row. `type` is a client event's, or an act's; `by` a principal's subject, a policy's name, or `tool:` and its
    name; `peer` the address it came from, null for our own. `code`: why it was refused, or what else is to be
    said. Times are UTC milliseconds."""

    number: int
    command_id: str
    type: str
    by: str
    peer: str | None
    at: int
    expires_at: int
    state: State
    code: str | None
    sent_at: int | None
    settled_at: int | None
    epoch: int | None
    digest: bytes | None


def queue(db: Connection, new: Command, body: str | None) -> Command | None:
    """Leave a command for the holder of its call; without a body it is only written down. None when it is new; else the
    one that has this id already."""
    row = _columns(new)
    del row["expires_at"]
    if db.execute(_QUEUE[db.dialect.name], row).one_or_none() is None:
        return find(db, new.number, new.command_id)
    if body is not None:
        inbox.put(db, new.number, kind=MESSAGE, by=new.by, at=new.at, body=body)
    return None


def find(db: Connection, number: int, command_id: str) -> Command | None:
    """One command of a call."""
    row = db.execute(_FIND, {"of_number": number, "of_id": command_id}).one_or_none()
    return Command(**row._mapping) if row is not None else None


def of_call(db: Connection, number: int, *, limit: int) -> list[Command]:
    """The newest commands of a call, newest first."""
    newest = _all(number).order_by(commands.c.at.desc(), commands.c.id.desc()).limit(limit)
    return [Command(**row._mapping) for row in db.execute(newest)]


def count_since(db: Connection, number: int, *, since: int) -> int:
    """How many the call got at `since` (UTC milliseconds) or later."""
    return db.execute(_COUNT_SINCE, {"of_number": number, "since": since}).scalar_one()


def send(
    db: Connection,
    node_id: str,
    epoch: int,
    command: Command,
    *,
    message_id: int | None,
    again: bool = False,
    at: int,
) -> State | None:
    """Say that a command is on its way, before its bytes leave. Returns its state now: `sent` where it may go out,
    `expired` where it is too late, another where it was settled before; None when the holding is lost.

    One that nobody queued (`message_id` is None: a policy's, a tool's) is written here, once. `again`: this holding
    has sent it before, and the upstream has said that it had no effect.
    """
    if not _holds(db, node_id, epoch, command.number):
        return None
    if again:
        known = find(db, command.number, command.command_id)
        return known.state if known else None
    if message_id is None:
        return _send_ours(db, epoch, command, at)
    inbox.take(db, {message_id: epoch}, at=at)
    sent = {"of_number": command.number, "of_id": command.command_id, "now": at, "by_epoch": epoch}
    moved: State | None = db.execute(_SEND, sent).scalar_one_or_none()
    if moved is not None:
        return moved
    this = select(commands.c.state).where(
        commands.c.number == command.number, commands.c.command_id == command.command_id
    )
    is_now: State = db.execute(this).scalar_one()
    # One that is `sent` by an earlier holding is not ours to send again.
    return is_now if is_now != "sent" else "unknown"


def _send_ours(db: Connection, epoch: int, command: Command, at: int) -> State:
    known = find(db, command.number, command.command_id)
    if known is not None:
        return known.state if known.state != "sent" else "unknown"
    sent = {"state": "sent", "sent_at": at, "epoch": epoch}
    db.execute(insert(commands).values(_columns(command) | sent))
    return "sent"


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a command that was sent."""

    command_id: str
    state: State
    code: str | None = None


def settle(
    db: Connection, node_id: str, epoch: int, number: int, settled: Sequence[Settled], *, at: int
) -> bool:
    """Write what became of commands. False when the holding is lost: nothing was written."""
    if not _holds(db, node_id, epoch, number):
        return False
    db.execute(
        _SETTLE,
        [
            {"of_number": number, "of_id": one.command_id, "became": one.state, "why": one.code, "now": at}
            for one in settled
        ],
    )
    return True


def unsettled(db: Connection, number: int) -> list[Command]:
    """Those of a call that were sent and of which nothing more is known, oldest first."""
    sent = _all(number).where(commands.c.state == "sent").order_by(commands.c.id)
    return [Command(**row._mapping) for row in db.execute(sent)]


def latest(db: Connection, number: int, types: Collection[str]) -> Command | None:
    """The last one of these types that was sent."""
    reached = commands.c.state.in_(("sent", "confirmed", "unknown"))
    which = _all(number).where(commands.c.type.in_(types), reached).order_by(commands.c.id.desc()).limit(1)
    row = db.execute(which).one_or_none()
    return Command(**row._mapping) if row is not None else None


def _columns(command: Command) -> dict[str, object]:
    return {name: getattr(command, name) for name in Command.__slots__}


def _holds(db: Connection, node_id: str, epoch: int, number: int) -> bool:
    return bool(held(db, node_id, {number: epoch}))


# A command that nobody took in time reads as expired before anybody writes that down; a wish to hang up stays one.
_too_late = and_(
    commands.c.state == "queued", commands.c.expires_at <= DatabaseClock(), commands.c.type != "hang_up"
)


def _all(number: int | BindParameter[int]) -> Select[Any]:
    columns = [commands.c[name] for name in Command.__slots__ if name != "state"]
    state = case((_too_late, "expired"), else_=commands.c.state).label("state")
    return select(*columns, state).where(commands.c.number == number)


# Built once: a command waits for each of them on its way, and building one costs more than it does.
_this = and_(commands.c.number == bindparam("of_number"), commands.c.command_id == bindparam("of_id"))
_FIND = _all(bindparam("of_number")).where(commands.c.command_id == bindparam("of_id"))
_COUNT_SINCE = select(func.count()).where(
    commands.c.number == bindparam("of_number"), commands.c.at >= bindparam("since")
)
_QUEUE = {
    dialect.dialect.name: dialect.insert(commands)
    .values(expires_at=DatabaseClock() + WAITING_MS)
    .on_conflict_do_nothing()
    .returning(commands.c.id)
    for dialect in (postgresql, sqlite)
}
_in_time = commands.c.expires_at > DatabaseClock()
_SEND = (
    update(commands)
    .where(_this, commands.c.state == "queued")
    .values(
        state=case((_in_time, "sent"), else_="expired"),
        sent_at=case((_in_time, bindparam("now", type_=BigInteger))),
        settled_at=case((_in_time, None), else_=bindparam("now", type_=BigInteger)),
        epoch=bindparam("by_epoch"),
    )
    .returning(commands.c.state)
)
_SETTLE = (
    update(commands)
    .where(_this, or_(*(commands.c.state == state for state in ("queued", "sent", "unknown"))))
    .values(state=bindparam("became"), code=bindparam("why"), settled_at=bindparam("now"))
)
