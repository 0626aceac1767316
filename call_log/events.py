"""The events of calls: appended by the call's holder, read by everybody, never changed.

It knows sequence numbers and bytes. `append` is the only way in, and it checks the holding itself, so that
no event can be written past the fence.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, column, exc, select, values

from call_log.holding import last_seqs
from call_log.schema import events


class EventRow(NamedTuple):
    """One line of a call's log. `at` is UTC milliseconds; `body` the bytes exactly as they came, empty once
    they are erased. `browser`: whether it belongs to what the call's own browser may see. `digest` and `link`
    are the seal's, null where no key is set."""

    number: int
    seq: int
    at: int
    source: str
    type: str
    event_id: str | None
    body: bytes
    browser: bool = False
    digest: bytes | None = None
    link: bytes | None = None


# Raw tuples to the driver: the same rows as dicts through an insert() cost 7 µs each, these 0.4.
_COLUMNS = ", ".join(EventRow._fields)
_INSERT = f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # our own names
_RAISE_LAST_SEQ = "UPDATE calls SET last_seq = ?, head = ? WHERE number = ? AND last_seq < ?"


def append(db: Connection, node_id: str, holdings: Mapping[int, int], rows: Sequence[EventRow]) -> set[int]:
    """Write the rows of the calls that this node still holds; returns the numbers that were refused.

    `holdings` is `{number: epoch}`; a call that is not in it, or that has moved on to another epoch, is
    refused whole, and the others are written all the same. `calls.last_seq` and `calls.head` follow in the
    same transaction. Rows that are there already are passed over: where a connection was lost during a COMMIT,
    nobody knows what became of it, and the whole batch comes again. Another event in the same place is a fault
    of the writer and raises sqlalchemy's IntegrityError.
    """
    asked = {row.number for row in rows}
    mine = last_seqs(db, node_id, {number: holdings[number] for number in asked & holdings.keys()})
    accepted = [storable(row) for row in rows if row.number in mine]
    there = _there(db, [row for row in accepted if row.seq <= mine[row.number]])
    accepted = [row for row in accepted if (row.number, row.seq) not in there]
    if accepted:
        _insert(db, accepted)
    return asked - mine.keys()


def _insert(db: Connection, rows: Sequence[EventRow]) -> None:
    last = {row.number: row for row in sorted(rows, key=lambda row: row.seq)}.values()
    if db.dialect.name == "postgresql":
        from call_log import postgres_events  # its driver takes 0.15 s to import, and a file needs none

        postgres_events.copy(db, EventRow._fields, rows)
        postgres_events.raise_last_seq(db, [(row.number, row.seq, row.link) for row in last])
    else:
        db.exec_driver_sql(_INSERT, list(rows))
        db.exec_driver_sql(_RAISE_LAST_SEQ, [(row.seq, row.link, row.number, row.seq) for row in last])


def _there(db: Connection, rows: Sequence[EventRow]) -> set[tuple[int, int]]:
    """The places (number, seq) of those that are in the log already; raises IntegrityError where another one is."""
    if not rows:
        return set()
    again = {(row.number, row.seq): row for row in rows}
    # A join, because SQLite would walk the whole table for a list of pairs.
    places = values(column("number", BigInteger), column("seq", BigInteger)).data(list(again)).cte("places")
    same = (events.c.number == places.c.number) & (events.c.seq == places.c.seq)
    for there in map(EventRow._make, db.execute(select(events).join(places, same))):
        if again[there.number, there.seq] != there:
            raise exc.IntegrityError(
                f"event {there.seq} of call {there.number} is another one", None, _Taken()
            )
        del again[there.number, there.seq]
    return {(row.number, row.seq) for row in rows} - again.keys()


class _Taken(Exception):
    """The place of an event is another's."""


def after(
    db: Connection,
    number: int,
    seq: int,
    *,
    limit: int,
    source: str | None = None,
    type: str | None = None,
    browser_only: bool = False,
) -> list[EventRow]:
    """The events of one call behind `seq`, in order, at most `limit`; `browser_only` leaves those that its
    own browser may see."""
    wanted = select(events).where(events.c.number == number, events.c.seq > seq)
    if source is not None:
        wanted = wanted.where(events.c.source == source)
    if type is not None:
        wanted = wanted.where(events.c.type == type)
    if browser_only:
        wanted = wanted.where(events.c.browser)
    return [EventRow(*row) for row in db.execute(wanted.order_by(events.c.seq).limit(limit)).all()]


def last(db: Connection, number: int, *, limit: int, type: str | None = None) -> list[EventRow]:
    """The last events of one call, in order, at most `limit`."""
    wanted = select(events).where(events.c.number == number)
    if type is not None:
        wanted = wanted.where(events.c.type == type)
    found = db.execute(wanted.order_by(events.c.seq.desc()).limit(limit)).all()
    return [EventRow(*row) for row in reversed(found)]


def sent(db: Connection, number: int) -> list[EventRow]:
    """The client events of one call: those that were sent, or about to be, by somebody of this house."""
    ours = events.c.source.in_(("operator", "observer", "tool", "browser")) & events.c.event_id.is_not(None)
    wanted = select(events).where(events.c.number == number, ours).order_by(events.c.seq)
    return [EventRow(*row) for row in db.execute(wanted)]


def storable(row: EventRow) -> EventRow:
    """The row with a type and an event_id that every database accepts; the body is bytes and always is.

    One lone surrogate (SQLite's driver refuses it) or NUL (PostgreSQL does) would else take its whole batch
    down. Whoever seals rows seals them in this form.
    """
    if _plain(row.type) and (row.event_id is None or _plain(row.event_id)):
        return row
    return row._replace(type=_cleaned(row.type), event_id=row.event_id and _cleaned(row.event_id))


def _plain(text: str) -> bool:
    return text.isascii() and "\0" not in text


def _cleaned(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
