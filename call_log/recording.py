"""How rows get into the log: behind the fence, each inbox message once, and nothing heard is thrown away.

It knows which rows are a holder's to write. Rows of a call that has moved on are left to its new holder, which knows
what of them it has heard itself.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, select

from call_log import events, inbox, journal
from call_log.inbox import Message
from call_log.inheritance import LastWord
from call_log.journal import Kept
from call_log.schema import calls

UPSTREAM: Final = "upstream"
HANDED_ON_AT_ONCE = 200
"""Rows in one message."""


def record(db: Connection, node_id: str, rows: Sequence[Kept], *, at: int) -> set[tuple[int, int]]:
    """Write rows as this node, and mark the messages that they came of as taken; returns the holdings (number,
    epoch) that are lost. What was heard under a lost holding is handed on to the call's new holder."""
    holdings: dict[int, int] = {}
    for kept in rows:
        # Two holdings of one call in one batch (lost, then claimed anew): only the newer may write.
        holdings[kept.row.number] = max(kept.epoch, holdings.get(kept.row.number, 0))
    current = [kept for kept in rows if kept.epoch == holdings[kept.row.number]]
    refused = events.append(db, node_id, holdings, [kept.row for kept in current])
    accepted = [kept for kept in current if kept.row.number not in refused]
    inbox.take(db, {kept.message_id: kept.epoch for kept in accepted if kept.message_id is not None}, at=at)
    lost = [kept for kept in rows if kept.row.number in refused or kept.epoch != holdings[kept.row.number]]
    hand_on(db, node_id, lost, at=at)
    return {(kept.row.number, kept.epoch) for kept in lost}


def hand_on(db: Connection, node_id: str, rows: Iterable[Kept], *, at: int) -> None:
    """Leave upstream events that were heard by this node to the holders of their calls, where these are open: whoever
    holds an ended call is nobody, and says so in its log. Messages need no handing on: they are still waiting."""
    heard = sorted(
        (kept for kept in rows if kept.row.source == UPSTREAM and kept.message_id is None),
        key=lambda kept: kept.row.number,
    )
    if not heard:
        return
    numbers = {kept.row.number for kept in heard}
    going_on = set(
        db.scalars(select(calls.c.number).where(calls.c.number.in_(numbers), calls.c.ended_at.is_(None)))
    )
    for number, group in groupby(heard, key=lambda kept: kept.row.number):
        if number in going_on:
            of_call = list(group)
            for start in range(0, len(of_call), HANDED_ON_AT_ONCE):
                body = _bundle(of_call[start : start + HANDED_ON_AT_ONCE])
                inbox.put(db, number, kind="late", by=node_id, at=at, body=body)


@dataclass(frozen=True, slots=True)
class Late:
    """What a node left to the next holder: rows in the order in which they were heard, and, behind all of them, its
    last word."""

    rows: list[Kept]
    word: LastWord | None = None


def say_last_word(db: Connection, number: int, node_id: str, word: LastWord, *, at: int) -> None:
    """Tell the holder of a call, where it is open, that nothing more will come from this node."""
    is_open = select(calls.c.number).where(calls.c.number == number, calls.c.ended_at.is_(None))
    if db.execute(is_open).one_or_none() is not None:
        inbox.put(db, number, kind="late", by=node_id, at=at, body=_bundle([], word))


def handed_on(message: Message) -> Late:
    """What is in a message of `hand_on` or `say_last_word`."""
    said = json.loads(message.body or "{}")
    word = LastWord.read(said["word"]) if said.get("word") else None
    return Late([journal.loads(text.encode()) for text in said.get("rows", ())], word)


def bury(db: Connection, node_id: str, rows: Sequence[Kept], *, at: int) -> None:
    """Write what a dead node's journal holds, as that node: its calls that nobody has claimed since get their rows as
    if it had lived on; the others' go to their new holders."""
    written = _last_seqs(db, node_id, {kept.row.number for kept in rows})
    # What is in already was committed just before the node died. Of a call that has moved on, the sequence says
    # nothing: its new holder finds out which of the events it has.
    waiting = [kept for kept in rows if kept.row.seq > written.get((kept.row.number, kept.epoch), 0)]
    record(db, node_id, waiting, at=at)


def _last_seqs(db: Connection, node_id: str, numbers: set[int]) -> dict[tuple[int, int], int]:
    held = select(calls.c.number, calls.c.epoch, calls.c.last_seq)
    rows = db.execute(held.where(calls.c.holder == node_id, calls.c.number.in_(numbers)))
    return {(number, epoch): last_seq for number, epoch, last_seq in rows}


def _bundle(rows: list[Kept], word: LastWord | None = None) -> str:
    said = {"rows": [journal.dumps(kept).decode() for kept in rows], "word": word and word._asdict()}
    return json.dumps(said)
