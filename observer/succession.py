"""How calls change hands: from the dead to whoever buries them, from the leaving to their heirs.

Knows the order in which nothing heard is lost: the dead's journal is written before their calls are free, and an heir
attaches before it adopts, so that the two sidebands overlap. How a call is followed is observed_call.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import structlog

from call_log import calls, inheritance, journal, nodes, recording
from call_log.call import Call
from call_log.inheritance import Inheritance
from call_log.journal import Kept
from call_log.nodes import NodeLock
from call_log.store import Connection, StoreUnavailable
from observer import sideband
from observer.line import Line
from observer.observed_call import ObservedCall
from observer.sideband import Refused, Sideband, Unreachable
from observer.writer import wall_clock
from realtime.errors import UpstreamError

log = structlog.get_logger()

BURIED_AT_ONCE = 1_000
LOOK_AGAIN_SECONDS = 0.1


def journal_path(lock: NodeLock) -> Path:
    """Where the node of this lock keeps its journal."""
    return lock.path.with_suffix(".journal")


async def bury_the_dead(line: Line) -> None:
    """Bury the nodes that died on this machine; their calls are free when this returns. Raises StoreUnavailable."""
    for lock in await asyncio.to_thread(nodes.died_here, line.lock.path.parent):
        try:
            await _bury(line, lock)
            lock.release()
        finally:
            lock.let_go()


async def _bury(line: Line, lock: NodeLock) -> None:
    node_id, accused, left = lock.path.stem, lock.accused(), journal_path(lock)
    rows = await asyncio.to_thread(_rows_of, left)
    for start in range(0, len(rows), BURIED_AT_ONCE):
        some = rows[start : start + BURIED_AT_ONCE]
        await line.writer.run(partial(recording.bury, node_id=node_id, rows=some, at=wall_clock()))
    await line.writer.run(partial(_forget, node_id=node_id, accused=accused))
    left.unlink(missing_ok=True)
    log.warning("node_buried", node=node_id, rows=len(rows), died_of=accused or None)


def _rows_of(path: Path) -> list[Kept]:
    return list(journal.read(path))


def _forget(db: Connection, node_id: str, accused: int) -> None:
    if accused:
        calls.count_crash(db, accused)
    nodes.leave(db, node_id)


async def adopt(line: Line, reserved: Call) -> ObservedCall | None:
    """Take a call over from a node that is leaving: attach first, then become its holder. Where the upstream allows no
    second sideband, become its holder first. None when somebody else has it, or it is over."""
    attached = await _attach(line, reserved)
    adopted = await _adopt(line, reserved)
    if adopted is not None:
        return ObservedCall(adopted, line, await _left(line, adopted), attached, reserved.holder)
    if attached is not None:
        await attached.leave()
    return None


async def _left(line: Line, adopted: Call) -> Inheritance | None:
    while True:
        try:
            return await asyncio.to_thread(_left_by_others, line, adopted)
        except StoreUnavailable:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _left_by_others(line: Line, adopted: Call) -> Inheritance | None:
    with line.store.reading() as db:
        return inheritance.of_one(db, adopted.number) if adopted.last_seq else None


async def _adopt(line: Line, reserved: Call) -> Call | None:
    """Nobody else can adopt what is reserved for us."""
    return await line.writer.insist(lambda db: calls.adopt(db, line.node_id, reserved, at=wall_clock()))


async def _attach(line: Line, call: Call) -> Sideband | None:
    try:
        async with line.dials:
            headers = await asyncio.to_thread(line.credential.headers)
            return await sideband.dial(
                line.upstream.sideband_url(str(call.upstream_call_id)), headers, line.tls, line.limits
            )
    except (Refused, Unreachable, UpstreamError) as error:
        log.info("no_second_sideband", call_id=call.call_id, reason=str(error))
        return None


async def hand_over(line: Line, following: Mapping[int, ObservedCall]) -> None:
    """Wait until others have adopted the calls of this node, for as long as there is anybody who could. Each call that
    has gone learns it here: a quiet one would not notice until its next event."""
    await line.writer.run(lambda db: nodes.drain(db, line.node_id))
    line.leaving.set()
    async with asyncio.timeout(line.limits.hand_over):
        while following:
            others = await asyncio.to_thread(_others, line)
            if not others:
                return
            await _let_go_of_adopted(line, following)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _let_go_of_adopted(line: Line, following: Mapping[int, ObservedCall]) -> None:
    known = set(following)
    for number in known - await asyncio.to_thread(_kept, line):
        if number in following:
            following[number].record.refused()


def _kept(line: Line) -> set[int]:
    with line.store.reading() as db:
        return calls.numbers_held_by(db, line.node_id)


def _others(line: Line) -> list[nodes.Node]:
    """The nodes that could inherit: also one that is silent under the load of inheriting, but none that is dead."""
    with line.store.reading() as db:
        registered = nodes.registered(db)
    dead = nodes.free_locks(registered)
    return [
        node
        for node in registered
        if node.node_id != line.node_id and node.node_id not in dead and not node.draining
    ]
