"""Who holds a call: the fence that every write passes, and the condition under which a call may change hands.

It knows leases and epochs. It refuses to know what is written behind the fence.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypedDict, Unpack

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from call_log import deliveries, postgres_nodes
from call_log.call import Call
from call_log.clock import DatabaseClock
from call_log.postgres_nodes import SessionSince
from call_log.schema import calls, commands, inbox, nodes, tool_runs
from call_log.states import Certainty, EndReason, before_or_same

DAY_MS = 24 * 60 * 60 * 1000
DEAD_AFTER_MS = 3_000
"""A node whose heartbeat is older than this, by the database's clock, is dead. It renews every 0.5 s."""


ENDING: Final[Mapping[str, ColumnElement[Any]]] = {
    "keep_until": bindparam("the_end", type_=BigInteger) + cast(calls.c.retention_days, BigInteger) * DAY_MS,
    "carried": null(),
}
"""With the end of a call the days for which it is kept begin to count, and what was carried for a next holder goes."""

OF_LIMITS = frozenset({"policy_duration", "policy_idle", "policy_spend", "policy_turns", "policy_tools"})


class Changes(TypedDict, total=False):
    """What a holder may change. `observed_at` and `peer_seen_at` keep their first value; with
    `state="ended"` come `ended_at`, `end_reason` and `end_certainty`; `holder=None` releases the call."""

    state: Literal["observed", "unobserved", "ended"]
    observed_at: int
    peer_seen_at: int
    summary: str
    spent: int
    carried: str
    ended_at: int
    end_reason: EndReason
    end_certainty: Certainty
    holder: None


def held(db: Connection, node_id: str, holdings: Mapping[int, int]) -> set[int]:
    """Of `{number: epoch}`, the numbers that this node still holds at that epoch.

    Call it in the transaction that writes: the rows stay locked against a new claim until the commit. At most
    32,000 holdings.
    """
    return set(last_seqs(db, node_id, holdings))


def last_seqs(db: Connection, node_id: str, holdings: Mapping[int, int]) -> dict[int, int]:
    """The same, with the sequence number of the last event of each: `{number: last_seq}`."""
    # On SQLite the transaction's write lock does it. On PostgreSQL FOR NO KEY UPDATE, in the order of the numbers
    # so that two transactions cannot deadlock; with FOR SHARE, two that both go on to raise last_seq would.
    if not holdings:
        return {}
    rows = db.execute(_HELD, {"node_id": node_id, "numbers": list(holdings)})
    return {number: last_seq for number, epoch, last_seq in rows if holdings[number] == epoch}


def update_held(db: Connection, number: int, epoch: int, node_id: str, **changes: Unpack[Changes]) -> bool:
    """Change a call that this node holds at this epoch; with its end, its inbox is closed.

    False when the holding is lost, or when the transition is none of `states.TRANSITIONS`: nothing was
    written.
    """
    state = changes.get("state")
    change, asked = _held_change(tuple(changes)), {f"new_{name}": value for name, value in changes.items()}
    asked |= {"of_number": number, "of_epoch": epoch, "of_holder": node_id}
    if state is not None:
        asked["of_states"] = sorted(before_or_same(state))
    if state == "ended":
        ended = conclude(db, change, asked, at=changes["ended_at"])
        if changes["end_reason"] in OF_LIMITS:
            limit = changes["end_reason"].removeprefix("policy_")
            deliveries.put(db, ended, "call.limit_reached", subject=limit, at=changes["ended_at"])
        return len(ended) == 1
    return db.execute(change, asked).one_or_none() is not None


@lru_cache
def _held_change(names: tuple[str, ...]) -> ReturningUpdate[int]:
    """The statement that changes these columns of a held call."""
    row = update(calls).where(
        calls.c.number == bindparam("of_number"),
        calls.c.holder == bindparam("of_holder"),
        calls.c.epoch == bindparam("of_epoch"),
    )
    if "state" in names:
        row = row.where(calls.c.state.in_(bindparam("of_states", expanding=True)))
    values: dict[str, ColumnElement[Any]] = {
        name: bindparam(f"new_{name}", type_=calls.c[name].type) for name in names
    }
    for first in {"observed_at", "peer_seen_at"} & values.keys():
        values[first] = func.coalesce(calls.c[first], values[first])
    if "ended_at" in names:
        values |= ENDING
    return row.values(values).returning(calls.c.number)


class Summary(NamedTuple):
    """What a call's row says of its conversation, at one holding. `carried` None: as it was."""

    number: int
    epoch: int
    summary: str
    spent: int
    carried: str | None


_SUMMARY = (
    update(calls)
    .where(
        calls.c.number == bindparam("of_number"),
        calls.c.epoch == bindparam("of_epoch"),
        calls.c.holder == bindparam("of_holder"),
    )
    .values(
        summary=bindparam("summary"),
        spent=bindparam("spent"),
        carried=func.coalesce(bindparam("carried", type_=Text), calls.c.carried),
    )
)


def summarise_held(db: Connection, node_id: str, summaries: Sequence[Summary]) -> None:
    """Change the summaries of many calls, of those that this node holds at that epoch, in one trip to the store."""
    rows = [
        {
            "of_number": one.number,
            "of_epoch": one.epoch,
            "of_holder": node_id,
            "summary": one.summary,
            "spent": one.spent,
            "carried": one.carried,
        }
        for one in sorted(summaries, key=lambda one: one.number)
    ]
    if rows:
        db.execute(_SUMMARY, rows)


def conclude(
    db: Connection, ending: ReturningUpdate[int], asked: Mapping[str, Any] | None = None, *, at: int
) -> list[int]:
    """Run an update that ends calls, with the values of ENDING, and returns their numbers. In the same transaction what
    is left in their inboxes is marked as taken, by nobody, and no command stays open. Returns the numbers."""
    numbers = list(db.scalars(ending, {**(asked or {}), "the_end": at}))
    for left in _LEFT_AT_THE_END if numbers else ():
        db.execute(left, {"numbers": numbers, "the_end": at})
    deliveries.put(db, numbers, "call.ended", at=at)
    return numbers


def claim(
    db: Connection, node_id: str, *, limit: int, at: int, free_locks: Collection[str] = ()
) -> list[Call]:
    """Become the holder of at most `limit` calls that have an upstream id and no living holder; oldest first.

    Each gets the next epoch, and with it every write of the last holder is refused. A node that is
    draining, or has itself not renewed for a full lease, gets nothing; one that came back from a lapse takes
    nobody for dead by the heartbeat alone until it has renewed for a full lease again. `free_locks` comes from
    `nodes.free_locks`.
    """
    judge = {"claimer": node_id, "free_locks": sorted(free_locks)}
    if db.dialect.name == "postgresql":
        postgres_nodes.end_sessions(db, list(db.scalars(_JUDGED_DEAD, judge)))
    return _read(db, _CLAIM, judge | {"most": limit, "now": at})


def reserve(db: Connection, node_id: str, *, limit: int) -> list[Call]:
    """Become the heir of at most `limit` calls whose holder is leaving: attach to each, then `adopt` it. First those
    to which no holder had attached, then the oldest."""
    return _read(db, _RESERVE, {"heir_id": node_id, "most": limit})


def adopt(db: Connection, node_id: str, reserved: Call, *, at: int) -> Call | None:
    """Become the holder of a call that was reserved; None when somebody else became it meanwhile, or it ended.

    From now on every write of the last holder is refused: attach before, so that nothing is said unheard.
    """
    which = {"of_number": reserved.number, "of_epoch": reserved.epoch, "heir_id": node_id, "now": at}
    row = db.execute(_ADOPT, which).one_or_none()
    return Call.read(row) if row else None


def _once(candidates: Select[int]) -> Select[int]:
    # PostgreSQL might run a subquery again for each row that it looks at, and lock more with each run; it never
    # does so with this form.
    named = candidates.cte("candidates")
    return select(named.c.number)


def _read(db: Connection, changed: ReturningUpdate[Any], asked: Mapping[str, Any]) -> list[Call]:
    return sorted((Call.read(row) for row in db.execute(changed, asked)), key=lambda call: call.number)


def numbers_held_by(db: Connection, node_id: str) -> set[int]:
    """The numbers of the calls that this node holds."""
    return set(db.scalars(select(calls.c.number).where(calls.c.holder == node_id)))


def held_by(db: Connection, node_id: str) -> list[Call]:
    """The open calls that this node holds."""
    mine = select(calls).where(calls.c.holder == node_id, calls.c.ended_at.is_(None))
    return [Call.read(row) for row in db.execute(mine.order_by(calls.c.number))]


def claimable(call: FromClause) -> ColumnElement[bool]:
    """SQL over the calls table or an alias of it: a node could do something here, whoever holds the call. One whose
    recording is off is nobody's to follow."""
    # Said as "open and past dialling": a list of states would lure SQLite's planner to the index on states,
    # which leads through every call that is well held.
    return and_(
        call.c.ended_at.is_(None),
        call.c.state != "dialling",
        call.c.upstream_call_id.is_not(None),
        call.c.recording != "off",
    )


def outlived(older_than: ColumnElement[int] | int) -> ColumnElement[bool]:
    """SQL over the calls table: a call that was answered before `older_than` (UTC milliseconds) and that nobody
    follows: its upstream id is not known, or its recording is off."""
    lost = and_(calls.c.state == "unobserved", calls.c.upstream_call_id.is_(None))
    left_alone = and_(calls.c.state.in_(("answered", "unobserved")), calls.c.recording == "off")
    return and_(or_(lost, left_alone), calls.c.answered_at < older_than)


def lives() -> ColumnElement[bool]:
    """SQL: the node's heartbeat is young enough."""
    return renewed_within(DEAD_AFTER_MS)


def renewed_within(milliseconds: int) -> ColumnElement[bool]:
    """SQL: the node's heartbeat is so near to now. One from later than now was before the clock was set back, and may
    be as old as anything."""
    now = DatabaseClock()
    return nodes.c.heartbeat_at.between(now - milliseconds, now + milliseconds)


def handed_over(call: FromClause) -> ColumnElement[bool]:
    """SQL over the calls table or an alias of it: its holder is leaving, and nobody is about to take it over."""
    leaving = select(nodes.c.node_id).where(nodes.c.draining.is_(True))
    return and_(call.c.heir.is_(None), call.c.ended_at.is_(None), call.c.holder.in_(leaving))


def unheld(
    call: FromClause,
    free_locks: Collection[str] | BindParameter[Any] = (),
    judge: ColumnElement[str] | None = None,
) -> ColumnElement[bool]:
    """SQL over the calls table or an alias of it: an open call that nobody holds, or only the dead.

    `free_locks` names the nodes whose lock was found free: they are dead now, whatever their heartbeat says. By
    their heartbeat alone, or by a session's lock, `judge` (a node; None: whoever asks) may call others dead only
    after a lease without a lapse of its own. A holder without a row cannot be: the foreign key empties `holder`
    when a node's row goes.
    """
    dead = select(nodes.c.node_id).where(_dead(free_locks, judge))
    # "Open" stands in both arms: within an OR, SQLite uses a partial index only where the arm itself
    # implies it.
    is_open = call.c.ended_at.is_(None)
    return or_(is_open & call.c.holder.is_(None), is_open & call.c.holder.in_(dead))


def _dead(
    free_locks: Collection[str] | BindParameter[Any], judge: ColumnElement[str] | None
) -> ColumnElement[bool]:
    unlocked = nodes.c.node_id.in_(free_locks)
    if judge is None:
        return or_(~lives(), unlocked)
    sure = _renewed_for_a_lease(judge)
    # A session's lock (its node has a backend) is free for a moment whenever the server restarts; a file's never is.
    # Whose own session has stood since the node's last heartbeat knows that the server did not.
    alone = and_(sure, nodes.c.heartbeat_at >= SessionSince())
    return or_(and_(~lives(), sure), and_(unlocked, or_(nodes.c.backend_pid.is_(None), alone)))


def may_claim(node_id: ColumnElement[str]) -> ColumnElement[bool]:
    """SQL: this node itself lives and is not draining. Who has not renewed may declare nobody dead."""
    return exists().where(nodes.c.node_id == node_id, lives(), nodes.c.draining.is_(False))


def _renewed_for_a_lease(node_id: ColumnElement[str]) -> ColumnElement[bool]:
    me = nodes.alias("me")
    return exists().where(me.c.node_id == node_id, me.c.renewed_since <= DatabaseClock() - DEAD_AFTER_MS)


# Built once: building one costs several times what it does, and it would be done with the file's lock in hand.
_HELD = (
    select(calls.c.number, calls.c.epoch, calls.c.last_seq)
    .where(calls.c.holder == bindparam("node_id"), calls.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(calls.c.number)
    .with_for_update(key_share=True)
)
_OF_THESE: BindParameter[Any] = bindparam("numbers", expanding=True)
_THE_END = bindparam("the_end", type_=BigInteger)
_LEFT_AT_THE_END = (
    update(inbox)
    .where(inbox.c.number.in_(_OF_THESE), inbox.c.taken_at.is_(None))
    .values(taken_at=_THE_END, body=None),
    # What was not sent never is, of what was sent nobody will hear more, and hanging up is done.
    update(commands)
    .where(commands.c.number.in_(_OF_THESE), commands.c.state.in_(("queued", "sent")))
    .values(
        state=case(
            (commands.c.type == "hang_up", "confirmed"),
            (commands.c.state == "queued", "expired"),
            else_="unknown",
        ),
        code="call_ended",
        settled_at=_THE_END,
    ),
    # What waited for an operator never runs; what a running tool answers nobody will hear.
    update(tool_runs)
    .where(tool_runs.c.number.in_(_OF_THESE), tool_runs.c.state.in_(("waiting", "started")))
    .values(
        state=case((tool_runs.c.state == "waiting", "refused"), else_="unknown"),
        code="call_ended",
        settled_at=_THE_END,
    ),
)
_CLAIMER = bindparam("claimer", type_=Text)
_FREE_LOCKS: BindParameter[Any] = bindparam("free_locks", expanding=True)
_MOST = bindparam("most", type_=Integer)
_JUDGED_DEAD = select(nodes.c.node_id).where(_dead(_FREE_LOCKS, _CLAIMER), may_claim(_CLAIMER))
_waiting = calls.alias("waiting")
_CLAIM = (
    update(calls)
    .where(
        calls.c.number.in_(
            _once(
                select(_waiting.c.number)
                .where(claimable(_waiting), unheld(_waiting, _FREE_LOCKS, _CLAIMER))
                .where(_waiting.c.holder.is_distinct_from(_CLAIMER))
                # Not by number: SQLite would then walk the whole table in that order, to spare itself a sort.
                .order_by(_waiting.c.answered_at, _waiting.c.number)
                .limit(_MOST)
                .with_for_update(skip_locked=True, of=_waiting)
            )
        )
    )
    .where(claimable(calls), unheld(calls, _FREE_LOCKS, _CLAIMER), may_claim(_CLAIMER))
    .values(holder=_CLAIMER, epoch=calls.c.epoch + 1, claimed_at=bindparam("now"), heir=None)
    .returning(calls)
)
_HEIR = bindparam("heir_id", type_=Text)
_leaving = calls.alias("leaving")
_RESERVE = (
    update(calls)
    .where(
        calls.c.number.in_(
            _once(
                select(_leaving.c.number)
                .where(claimable(_leaving), handed_over(_leaving))
                # One that nobody has attached to yet is missing what it says; the others' holder still listens.
                .order_by(_leaving.c.observed_at.is_not(None), _leaving.c.answered_at, _leaving.c.number)
                .limit(_MOST)
                .with_for_update(skip_locked=True, of=_leaving)
            )
        )
    )
    .where(calls.c.heir.is_(None), may_claim(_HEIR))
    .values(heir=_HEIR)
    .returning(calls)
)
_ADOPT = (
    update(calls)
    .where(
        calls.c.number == bindparam("of_number"),
        calls.c.heir == _HEIR,
        calls.c.epoch == bindparam("of_epoch"),
    )
    .where(claimable(calls), may_claim(_HEIR))
    .values(holder=_HEIR, epoch=calls.c.epoch + 1, claimed_at=bindparam("now"), heir=None)
    .returning(calls)
)
