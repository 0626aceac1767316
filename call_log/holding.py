"""Who holds a call: the fence that every write passes, and the condition under which a call may change hands.

It knows leases and epochs. It refuses to know what is written behind the fence.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
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

DEAD_AFTER_MS = 3_000
"""A node whose heartbeat is older than this, by the database's clock, is dead. It renews every 0.5 s."""


OF_LIMITS = frozenset({"policy_duration", "policy_idle", "policy_spend", "policy_turns", "policy_tools"})
DAY_MS = 24 * 60 * 60 * 1000


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
    row = update(calls).where(calls.c.number == number, calls.c.holder == node_id, calls.c.epoch == epoch)
    state = changes.get("state")
    if state is not None:
        row = row.where(calls.c.state.in_(before_or_same(state)))
    values: dict[str, object] = dict(changes)
    for first in ("observed_at", "peer_seen_at"):
        if first in values:
            values[first] = func.coalesce(calls.c[first], values[first])
    changed = row.values(values).returning(calls.c.number)
    if state == "ended":
        ended = conclude(db, changed, at=changes["ended_at"])
        if changes["end_reason"] in OF_LIMITS:
            limit = changes["end_reason"].removeprefix("policy_")
            deliveries.put(db, ended, "call.limit_reached", subject=limit, at=changes["ended_at"])
        return len(ended) == 1
    return db.execute(changed).one_or_none() is not None


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


def conclude(db: Connection, ending: ReturningUpdate[int], *, at: int) -> list[int]:
    """Run an update that ends calls and returns their numbers. In the same transaction the days for which
    each is kept begin to count, what was carried for a next holder goes, what is left in their inboxes is marked
    as taken, by nobody, and no command stays open. Returns the numbers."""
    keep_until = at + cast(calls.c.retention_days, BigInteger) * DAY_MS
    numbers = list(db.scalars(ending.values(keep_until=keep_until, carried=None)))
    left = update(inbox).where(inbox.c.number.in_(numbers), inbox.c.taken_at.is_(None))
    db.execute(left.values(taken_at=at, body=None))
    _conclude_commands(db, numbers, at=at)
    deliveries.put(db, numbers, "call.ended", at=at)
    _conclude_tool_runs(db, numbers, at=at)
    return numbers


def _conclude_commands(db: Connection, numbers: Collection[int], *, at: int) -> None:
    """What was not sent never is, of what was sent nobody will hear more, and hanging up is done."""
    open_still = commands.c.state.in_(("queued", "sent"))
    became = case(
        (commands.c.type == "hang_up", "confirmed"),
        (commands.c.state == "queued", "expired"),
        else_="unknown",
    )
    left = update(commands).where(commands.c.number.in_(numbers), open_still)
    db.execute(left.values(state=became, code="call_ended", settled_at=at))


def _conclude_tool_runs(db: Connection, numbers: Collection[int], *, at: int) -> None:
    """What waited for an operator never runs; what a running tool answers nobody will hear."""
    open_still = tool_runs.c.state.in_(("waiting", "started"))
    became = case((tool_runs.c.state == "waiting", "refused"), else_="unknown")
    left = update(tool_runs).where(tool_runs.c.number.in_(numbers), open_still)
    db.execute(left.values(state=became, code="call_ended", settled_at=at))


def claim(
    db: Connection, node_id: str, *, limit: int, at: int, free_locks: Collection[str] = ()
) -> list[Call]:
    """Become the holder of at most `limit` calls that have an upstream id and no living holder; oldest first.

    Each gets the next epoch, and with it every write of the last holder is refused. A node that is
    draining, or has itself not renewed for a full lease, gets nothing; one that came back from a lapse takes
    nobody for dead by the heartbeat alone until it has renewed for a full lease again. `free_locks` comes from
    `nodes.free_locks`.
    """
    if db.dialect.name == "postgresql":
        judged = select(nodes.c.node_id).where(_dead(free_locks, node_id), may_claim(node_id))
        postgres_nodes.end_sessions(db, list(db.scalars(judged)))
    waiting = calls.alias("waiting")
    candidates = (
        select(waiting.c.number)
        .where(claimable(waiting), unheld(waiting, free_locks, node_id))
        .where(waiting.c.holder.is_distinct_from(node_id))
        # Not by number: SQLite would then walk the whole table in that order, to spare itself a sort.
        .order_by(waiting.c.answered_at, waiting.c.number)
        .limit(limit)
        .with_for_update(skip_locked=True, of=waiting)
    )
    taken = (
        update(calls)
        .where(calls.c.number.in_(_once(candidates)), claimable(calls), unheld(calls, free_locks, node_id))
        .where(may_claim(node_id))
        .values(holder=node_id, epoch=calls.c.epoch + 1, claimed_at=at, heir=None)
        .returning(calls)
    )
    return _read(db, taken)


def reserve(db: Connection, node_id: str, *, limit: int) -> list[Call]:
    """Become the heir of at most `limit` calls whose holder is leaving: attach to each, then `adopt` it. First those
    to which no holder had attached, then the oldest."""
    leaving = calls.alias("leaving")
    candidates = (
        select(leaving.c.number)
        .where(claimable(leaving), handed_over(leaving))
        # One that nobody has attached to yet is missing what it says; the others' holder still listens.
        .order_by(leaving.c.observed_at.is_not(None), leaving.c.answered_at, leaving.c.number)
        .limit(limit)
        .with_for_update(skip_locked=True, of=leaving)
    )
    reserved = (
        update(calls)
        .where(calls.c.number.in_(_once(candidates)), calls.c.heir.is_(None), may_claim(node_id))
        .values(heir=node_id)
        .returning(calls)
    )
    return _read(db, reserved)


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


def _read(db: Connection, changed: ReturningUpdate[Any]) -> list[Call]:
    return sorted((Call.read(row) for row in db.execute(changed)), key=lambda call: call.number)


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
    call: FromClause, free_locks: Collection[str] = (), judge: str | None = None
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


def _dead(free_locks: Collection[str], judge: str | None) -> ColumnElement[bool]:
    unlocked = nodes.c.node_id.in_(sorted(free_locks))
    if judge is None:
        return or_(~lives(), unlocked)
    sure = _renewed_for_a_lease(judge)
    # A session's lock (its node has a backend) is free for a moment whenever the server restarts; a file's never is.
    # Whose own session has stood since the node's last heartbeat knows that the server did not.
    alone = and_(sure, nodes.c.heartbeat_at >= SessionSince())
    return or_(and_(~lives(), sure), and_(unlocked, or_(nodes.c.backend_pid.is_(None), alone)))


def may_claim(node_id: str | ColumnElement[str]) -> ColumnElement[bool]:
    """SQL: this node itself lives and is not draining. Who has not renewed may declare nobody dead."""
    return exists().where(nodes.c.node_id == node_id, lives(), nodes.c.draining.is_(False))


def _renewed_for_a_lease(node_id: str) -> ColumnElement[bool]:
    me = nodes.alias("me")
    return exists().where(me.c.node_id == node_id, me.c.renewed_since <= DatabaseClock() - DEAD_AFTER_MS)


# Built once: the first stands before all that is written; and whoever inherits hundreds of calls adopts them one by
# one. Building either costs more than it does.
_HELD = (
    select(calls.c.number, calls.c.epoch, calls.c.last_seq)
    .where(calls.c.holder == bindparam("node_id"), calls.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(calls.c.number)
    .with_for_update(key_share=True)
)
_ADOPT = (
    update(calls)
    .where(
        calls.c.number == bindparam("of_number"),
        calls.c.heir == bindparam("heir_id"),
        calls.c.epoch == bindparam("of_epoch"),
    )
    .where(claimable(calls), may_claim(bindparam("heir_id")))
    .values(holder=bindparam("heir_id"), epoch=calls.c.epoch + 1, claimed_at=bindparam("now"), heir=None)
    .returning(calls)
)
