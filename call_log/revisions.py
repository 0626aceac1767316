"""Which steps of its history a database has taken, and which this code knows.

It knows their names. What a step does is the migrations' affair, and Alembic's, which takes a fifth of a second to
import: every process asks this at its start, and only `upgrade` takes steps.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, column, inspect, select, table

from call_log.database import Database
from call_log.errors import SchemaBehind

UPGRADE = "python -m call_log upgrade"

VERSIONS = Path(__file__).parent / "migrations" / "versions"
KNOWN: Final = tuple(sorted(path.stem.partition("_")[0] for path in VERSIONS.glob("0*.py")))
"""One line, the first step first: each file is named after its step."""

_TABLE = table("alembic_version", column("version_num"))


def last(db: Connection) -> str | None:
    """The last step that was taken; None before the first."""
    if not inspect(db).has_table(_TABLE.name):
        return None
    taken: str | None = db.execute(select(_TABLE.c.version_num)).scalar_one_or_none()
    return taken


def is_ahead(db: Connection) -> bool:
    """Whether the database has taken a step that this code has never heard of."""
    taken = last(db)
    return taken is not None and taken not in KNOWN


def missing(db: Connection) -> list[str]:
    """The steps that are still to be taken, in order; none where the database is ahead."""
    taken = last(db)
    if taken is None:
        return list(KNOWN)
    return list(KNOWN[KNOWN.index(taken) + 1 :]) if taken in KNOWN else []


def require_current(database: Database) -> bool:
    """Raises SchemaBehind when steps are missing. Tables that are newer than the code pass: old processes
    must be able to start while a new version is rolled out. Returns whether they are."""
    with database.inspecting() as db:
        left, ahead = missing(db), is_ahead(db)
    if left:
        raise SchemaBehind(f"The call log {database.name} is {len(left)} step(s) behind; run: {UPGRADE}")
    return ahead
