"""What waits for an observer: the one question that a watcher asks after every change of the store."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Connection, ScalarSelect, bindparam, cast, func, or_, select

from call_log.clock import DatabaseClock
from call_log.holding import claimable, lives, outlived
from call_log.schema import calls, nodes

INTENT_STALE_AFTER_MS = 60_000
"""An intent without an outcome keeps its place for so long."""

SESSION_LONGEST_MS = 61 * 60 * 1000
"""The upstream ends every session after 60 minutes (OpenAI's guide; recorded on Azure)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What waits for an observer, in numbers of calls (`unreachable`: of those that nobody follows and that the
    upstream has ended by now). Messages wait in the inbox."""

    dialling: int
    stale_intents: int
    claimable: int
    unreachable: int
    handed_over: int

    @property
    def something(self) -> bool:
        """Whether any of it is for an observer to do now; a call that is dialling is not, yet."""
        return any((self.stale_intents, self.claimable, self.unreachable, self.handed_over))


def open_work(
    db: Connection, free_locks: Collection[str] = (), session_longest: int = SESSION_LONGEST_MS
) -> Work:
    """What waits for an observer, in one statement of index seeks: its cost does not grow with the calls
    that are well held, nor with those that are over. `claimable` counts what `claim` would find for a node that
    has not lapsed itself, `handed_over` what `reserve` would. `session_longest`: milliseconds."""
    asked = {"free_locks": list(free_locks), "session_longest": session_longest}
    return Work(**db.execute(_OPEN_WORK, asked).one()._mapping)


def _count(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).where(*conditions).scalar_subquery()


def _count_unheld(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return _count(calls.c.holder.is_(None), calls.c.ended_at.is_(None), *conditions)


def _count_held_by(holders: ColumnElement[bool], *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    """Counted node by node: a planner that knows too little of a young table would look at every open call."""
    of_one = select(func.count()).where(calls.c.holder == nodes.c.node_id, *conditions).scalar_subquery()
    return select(cast(func.coalesce(func.sum(of_one), 0), BigInteger)).where(holders).scalar_subquery()


_dialling = calls.c.state == "dialling"
_stale = calls.c.created_at < DatabaseClock() - INTENT_STALE_AFTER_MS
_unreachable = outlived(DatabaseClock() - bindparam("session_longest"))
_dead = or_(~lives(), nodes.c.node_id.in_(bindparam("free_locks", expanding=True)))
_leaving = nodes.c.draining.is_(True)

# Built once: it is asked up to a thousand times a second, and building it costs several times what it does.
_OPEN_WORK = select(
    _count_unheld(_dialling).label("dialling"),
    _count_unheld(_dialling, _stale).label("stale_intents"),
    (_count_unheld(claimable(calls)) + _count_held_by(_dead, claimable(calls))).label("claimable"),
    _count_unheld(_unreachable).label("unreachable"),
    _count_held_by(_leaving, claimable(calls), calls.c.heir.is_(None)).label("handed_over"),
)
