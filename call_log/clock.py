"""The database's own clock, as an SQL expression. It knows how each database tells the time, and nothing
else.

Leases are judged by this clock alone: the clocks of the machines that share a database differ, and jump.
"""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class DatabaseClock(FunctionElement[int]):
    """UTC milliseconds, read when the statement runs."""

    type = BigInteger()
    inherit_cache = True


@compiles(DatabaseClock, "sqlite")
def _on_sqlite(element: DatabaseClock, compiler: Any, **kw: Any) -> str:
    # unixepoch('subsec') came with SQLite 3.42 and Debian 12 has 3.40. julianday() keeps whole milliseconds
    # inside and its double is exact to 0.04 ms here, so that the rounding gives them back unharmed.
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"


@compiles(DatabaseClock, "postgresql")
def _on_postgresql(element: DatabaseClock, compiler: Any, **kw: Any) -> str:
    # clock_timestamp() would change within the statement, and no index could be used with it.
    return "CAST(FLOOR(EXTRACT(EPOCH FROM statement_timestamp()) * 1000) AS BIGINT)"
