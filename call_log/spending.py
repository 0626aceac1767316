"""What callers have spent by their calls of one day. It knows sums; what a call costs is told to it.

A call belongs to the UTC day on which it was dialled, to its end: so each has one place, and no sum counts it twice.
Its amount is a whole one that its holder writes anew, not one that grows by parts: nothing is lost or doubled when a
holder dies.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from call_log.schema import calls

DAY_MS = 24 * 60 * 60 * 1000


def day_of(at: int) -> int:
    """The UTC day of a moment (UTC milliseconds), as a number of days."""
    return at // DAY_MS


def of_caller(db: Connection, caller: str, day: int) -> int:
    """Millionths of the price table's currency."""
    return of_callers(db, [caller], day).get((caller, day), 0)


def of_callers(db: Connection, callers: Iterable[str], since: int) -> dict[tuple[str, int], int]:
    """The same of several, for each day from `since` on: `{(caller, day): amount}`. At most 32,000 callers."""
    day = calls.c.created_at // DAY_MS
    spent = select(calls.c.caller, day.label("day"), func.sum(calls.c.spent).label("amount"))
    of_them = spent.where(calls.c.caller.in_(sorted(set(callers))), calls.c.created_at >= since * DAY_MS)
    rows = db.execute(of_them.group_by(calls.c.caller, day))
    return {(row.caller, row.day): int(row.amount) for row in rows}
