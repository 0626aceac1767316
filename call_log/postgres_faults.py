"""What PostgreSQL's errors mean in words: whose fault, and what to do next. It knows codes and opens nothing."""

import psycopg

# By the start of the SQLSTATE (appendix A of PostgreSQL's manual); the first that fits.
_BY_STATE = {
    "40001": "could not order this transaction among the others; it is tried again.",
    "40P01": "ended this transaction because of a deadlock; it is tried again.",
    "55P03": "had a row locked by another session for too long; find the session that holds it and end that.",
    "57014": "cancelled a statement, by wish or by its statement_timeout; look who cancels, or raise that.",
    "57P": "ended this session: it stops, restarts, or somebody terminated the session; wait until it is back.",
    "25006": "takes no changes: it is a standby or read-only; let DATABASE_URL name the primary.",
    "53100": "cannot grow because its disk is full; free some space, nothing else is needed.",
    "53300": "has no connection left; raise its max_connections, or run fewer processes.",
    "53": "is short of memory or of another of its resources; look into its log.",
    "58": "got an I/O error from its disk; look into its log and check that disk.",
    "XX": "found its files damaged; look into its log, stop all processes, and restore a backup.",
    "28": "refused this user; put the right user and password into DATABASE_URL, or correct its pg_hba.conf.",
    "3D000": "does not have this database; make it with: createdb, then: python -m call_log upgrade",
    "42501": "does not let this user do that; let the user of DATABASE_URL own the tables.",
    "42P01": "lacks tables of this version; run: python -m call_log upgrade",
    "42703": "lacks tables of this version; run: python -m call_log upgrade",
    "08": "lost the connection; look whether the server and the network between are well.",
}

# Where no session came about, or one was lost, there is no code, only text.
_BY_TEXT = {
    "too many": _BY_STATE["53300"],
    "remaining connection slots": _BY_STATE["53300"],
    "authentication failed": _BY_STATE["28"],
    "no pg_hba.conf entry": _BY_STATE["28"],
    "no password supplied": _BY_STATE["28"],
    "role": _BY_STATE["28"],
    "database": "does not have this database, or is starting or stopping; look whether it runs and has it.",
    "timeout expired": "did not answer in time; look whether the server is overloaded or cut off.",
    "resolve": "cannot be found: its host's name is unknown here; correct DATABASE_URL.",
    "refused": "refuses connections: nothing listens there; start the server, or correct DATABASE_URL.",
    "No such file": "refuses connections: nothing listens there; start the server, or correct DATABASE_URL.",
}


def sentence(fault: BaseException | None) -> str:
    """The end of a sentence that begins with the database's name."""
    state = getattr(fault, "sqlstate", None) or ""
    for start, words in _BY_STATE.items():
        if state.startswith(start):
            return words
    if not state and isinstance(fault, psycopg.OperationalError):
        return next((words for part, words in _BY_TEXT.items() if part in str(fault)), _BY_STATE["08"])
    return f"refused a statement ({state or type(fault).__name__}); see its cause."


def is_of_the_code(fault: BaseException | None) -> bool:
    """Whether it is no failure of the database: a constraint, or a statement that can never be right."""
    state = getattr(fault, "sqlstate", None) or ""
    if state in ("42P01", "42703", "42501"):
        return False
    kinds = (psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError)
    return isinstance(fault, kinds)
