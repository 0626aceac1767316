"""What SQLite's errors mean in words: whose fault, and what to do next. It knows names and opens nothing."""

from sqlalchemy import exc

# By the first words of SQLite's own name of the error; the first that fits.
_SENTENCES = {
    "SQLITE_BUSY": "was locked by another process for too long; find what holds it and end that.",
    "SQLITE_LOCKED": "was locked by another process for too long; find what holds it and end that.",
    "SQLITE_FULL": "cannot grow because its disk is full; free some space, nothing else is needed.",
    "SQLITE_IOERR": "got an I/O error from its disk; look into the kernel's log and check that disk.",
    "SQLITE_CANTOPEN": "cannot be opened; give this user the right to write the file and its folder, or, "
    "if it is missing, make it with: python -m call_log upgrade",
    "SQLITE_READONLY": "may not be written; give this user the right to write the file and its folder.",
    "SQLITE_PERM": "may not be opened; give this user the right to read and write the file and its folder.",
    "SQLITE_CORRUPT": "is damaged; stop all processes, keep a copy of the file, and restore a backup.",
    "SQLITE_NOTADB": "is not an SQLite database; DATABASE_URL names the wrong file.",
}

_NEEDS_ANOTHER_CONNECTION = (
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
)


def sentence(fault: BaseException | None) -> str:
    """The end of a sentence that begins with the database's name."""
    name = _name(fault)
    for start, words in _SENTENCES.items():
        if name.startswith(start):
            return words
    if "no such table" in str(fault) or "no such column" in str(fault):
        return "lacks tables of this version; run: python -m call_log upgrade"
    return f"refused a statement ({name or type(fault).__name__}); see its cause."


def is_of_the_code(fault: exc.DBAPIError) -> bool:
    """Whether it is no failure of the database: a constraint, or a statement that can never be right."""
    kinds = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)
    return isinstance(fault, kinds)


def is_busy(fault: BaseException | None) -> bool:
    """Whether somebody else holds the lock."""
    return _name(fault).startswith("SQLITE_BUSY")


def leaves_a_doubt(fault: BaseException | None) -> bool:
    """After a full disk or a failed flush a connection's state is in doubt, and a flush that is tried again may report
    success for pages that the kernel has dropped. Only waiting in vain leaves it sound."""
    return _name(fault).startswith(_NEEDS_ANOTHER_CONNECTION)


def _name(fault: BaseException | None) -> str:
    """SQLite's name of the error, such as SQLITE_IOERR_FSYNC; empty where the driver has none."""
    return getattr(fault, "sqlite_errorname", None) or ""
