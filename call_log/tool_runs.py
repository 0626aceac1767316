"""Runs of tools: which function calls of the model were taken up, once each, and how far each has come.

It knows states and who moves a run from one to the next, behind the fence of the call's holder. What a tool was asked
and what it answered is not kept here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from call_log import deliveries
from call_log.holding import held
from call_log.schema import commands, tool_runs

State = Literal["waiting", "started", "answered", "refused", "unknown"]
OPEN: tuple[State, ...] = ("waiting", "started")


@dataclass(frozen=True, slots=True)
class Run:
    """One row. `waiting`: an operator is asked; `started`: it may have had its effect from now on. `code`: why it was
    refused. `by`: the operator who approved, denied or answered. Times are UTC milliseconds."""

    number: int
    function_call_id: str
    response_id: str
    name: str
    state: State
    code: str | None
    by: str | None
    at: int
    started_at: int | None
    settled_at: int | None
    epoch: int


def take_up(db: Connection, node_id: str, epoch: int, number: int, runs: Sequence[Run]) -> set[str] | None:
    """Write down runs before anything of them happens. Returns the function call ids that are new: others were taken
    up before, by whomever. None when the holding is lost: nothing was written."""
    if not held(db, node_id, {number: epoch}):
        return None
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    rows = [{name: getattr(run, name) for name in Run.__slots__} for run in runs]
    taken = dialect.insert(tool_runs).values(rows).on_conflict_do_nothing()
    new = set(db.scalars(taken.returning(tool_runs.c.function_call_id)))
    for run in runs:
        if run.state == "waiting" and run.function_call_id in new:
            deliveries.put(db, [number], "tool.approval_wanted", subject=run.function_call_id, at=run.at)
    return new


def start(
    db: Connection, node_id: str, epoch: int, number: int, function_call_id: str, *, by: str, at: int
) -> bool:
    """Say that a run which waited is approved and begins. False when it does not wait, or the holding is lost."""
    if not held(db, node_id, {number: epoch}):
        return False
    waiting = update(tool_runs).where(
        tool_runs.c.number == number,
        tool_runs.c.function_call_id == function_call_id,
        tool_runs.c.state == "waiting",
    )
    begun = waiting.values(state="started", started_at=at, by=by, epoch=epoch)
    return db.execute(begun.returning(tool_runs.c.id)).one_or_none() is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    function_call_id: str
    state: State
    code: str | None = None
    by: str | None = None


def settle(
    db: Connection, node_id: str, epoch: int, number: int, outcomes: Sequence[Outcome], *, at: int
) -> bool:
    """Write how runs ended. False when the holding is lost: nothing was written."""
    if not held(db, node_id, {number: epoch}):
        return False
    for one in outcomes:
        still_open = and_(
            tool_runs.c.number == number,
            tool_runs.c.function_call_id == one.function_call_id,
            tool_runs.c.state.in_(OPEN),
        )
        values: dict[str, object] = {"state": one.state, "code": one.code, "settled_at": at}
        if one.by is not None:
            values["by"] = one.by
        db.execute(update(tool_runs).where(still_open).values(values))
    return True


def of_call(db: Connection, number: int) -> list[Run]:
    """The runs of a call, oldest first."""
    columns = [tool_runs.c[name] for name in Run.__slots__]
    found = select(*columns).where(tool_runs.c.number == number).order_by(tool_runs.c.id)
    return [Run(**row._mapping) for row in db.execute(found)]


def commanded(db: Connection, number: int, command_ids: Sequence[str]) -> dict[str, str]:
    """Which of these commands were ever on their way, and their states."""
    found = select(commands.c.command_id, commands.c.state).where(
        commands.c.number == number, commands.c.command_id.in_(command_ids)
    )
    return {row.command_id: row.state for row in db.execute(found)}
