"""What the store asks of a database, whichever it is. It knows no database."""

import contextlib
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

PATIENCE_SECONDS = 5.0
"""How long a transaction waits for its turn, in the pool and again in the database, unless told otherwise."""

LONGEST_SECONDS = 30.0
"""How long a statement may take on a server, unless told otherwise: a batch of many megabytes on a slow disk takes
seconds, and one that is cut would only come again."""


class News(IntEnum):
    """What may have come since the last look; false is nothing. `MESSAGES`: into inboxes, and nothing else."""

    NOTHING = 0
    MESSAGES = 1
    ANYTHING = 2


class Writing(Protocol):
    """Makes transactions that may write."""

    def __call__(self, *, alone: bool = False) -> contextlib.AbstractContextManager[Connection]:
        """`alone`: nothing of other threads is committed with it."""


class Watch(Protocol):
    """A cheap look at whether anything was committed, by any process, since the last look; for one thread."""

    def changed(self, within: float = 0.0) -> News:
        """What it is worth reading now, or within so many seconds, for which it waits, or longer where it is told when
        something comes; anything at the first look, and at the first after a failure. Raises StoreUnavailable."""

    def close(self) -> None:
        """Close its connection; a later look opens another."""


class Upkeep(Protocol):
    """What the database's own files need now and then."""

    def run(self) -> None:
        """Move what was committed to where it belongs, when this process is the one that does so."""

    def start_over(self) -> bool:
        """Wipe what was erased; False when that must wait, or is another process's to do."""

    def close(self) -> None:
        """Leave it to others."""


class Database(Protocol):
    """One database, as all connections of this process open it."""

    @property
    def name(self) -> str:
        """What a sentence calls it; without any secret."""

    @property
    def lock_folder(self) -> Path:
        """The folder of this machine for lock files and journals."""

    def prepare(self) -> None:
        """Make the folders that are needed. Raises StoreUnavailable."""

    def engines(self) -> tuple[Engine, Engine]:
        """One engine whose transactions read one snapshot, and one whose transactions write."""

    def writing(self, writer: Engine) -> Writing:
        """How transactions of that engine are made, one for each thread that asks. Its faults come out named."""

    def require_same(self) -> None:
        """Raises StoreUnavailable when what was opened first is not there any more."""

    def faults_named(self) -> contextlib.AbstractContextManager[None]:
        """Let the database's failures out as StoreUnavailable; faults of the code stay what they are."""

    def inspecting(self) -> contextlib.AbstractContextManager[Connection]:
        """A transaction on a connection of its own, before anybody knows whether there are tables. Raises
        SchemaBehind where there is nothing yet."""

    def migrating(self) -> contextlib.AbstractContextManager[Connection]:
        """A transaction that may make the tables; two at once take turns."""

    def damage(self) -> str | None:
        """What is wrong with the database's files, in its own words; None where nothing is, or where the database is
        not ours to look into."""

    def watch(self) -> Watch:
        """For one thread."""

    def upkeep(self, writing: Writing) -> Upkeep:
        """This process's part in it; `writing` is the store's."""
