"""How events reach PostgreSQL: all rows of a batch in one COPY. It knows the driver; the fence is not its affair."""

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection, exc

_TYPES = {
    "number": "int8",
    "seq": "int8",
    "at": "int8",
    "source": "text",
    "type": "text",
    "event_id": "text",
    "body": "bytea",
    "browser": "bool",
    "digest": "bytea",
    "link": "bytea",
}
_RAISE_LAST_SEQ = """
    UPDATE calls SET last_seq = new.seq, head = new.link
    FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[]) AS new (number, seq, link)
    WHERE calls.number = new.number AND calls.last_seq < new.seq
"""


def copy(db: Connection, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows of the table `events`. Raises sqlalchemy's IntegrityError."""
    statement = f"COPY events ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    session: psycopg.Connection[Any] = db.connection.driver_connection  # type: ignore[assignment]
    try:
        with session.cursor() as cursor, cursor.copy(statement.encode()) as copying:
            copying.set_types([_TYPES[column] for column in columns])
            for row in rows:
                copying.write_row(row)
    except psycopg.IntegrityError as fault:
        raise exc.IntegrityError(statement, None, fault) from fault


def raise_last_seq(db: Connection, last: Sequence[tuple[int, int, bytes | None]]) -> None:
    """`calls.last_seq` and `calls.head` follow: (number, seq, link) of the last event of each call."""
    numbers, seqs, links = zip(*last, strict=True)
    db.exec_driver_sql(_RAISE_LAST_SEQ, (list(numbers), list(seqs), list(links)))
