"""What is wrong with the journal's database, in fixed words: a driver's own may hold values."""

from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from cds_hooks.errors import JournalTrouble

# Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
_SQLITE: Final = {
    5: JournalTrouble.LOCKED,  # BUSY
    6: JournalTrouble.LOCKED,  # LOCKED
    8: JournalTrouble.READ_ONLY,
    13: JournalTrouble.FULL,
    14: JournalTrouble.UNREACHABLE,  # CANTOPEN
}
_SQLITE_PRIMARY: Final = 0xFF  # an extended code holds the primary one in its last byte
# SQLSTATE of PostgreSQL, by code, then by class.
_STATES: Final = {
    "53100": JournalTrouble.FULL,
    "25006": JournalTrouble.READ_ONLY,
    "55P03": JournalTrouble.LOCKED,  # lock_timeout
    "57014": JournalTrouble.LOCKED,  # statement_timeout
    "40P01": JournalTrouble.LOCKED,  # deadlock
}
_CLASSES: Final = {
    "08": JournalTrouble.UNREACHABLE,
    "28": JournalTrouble.UNREACHABLE,  # no such role, wrong password
    "3D": JournalTrouble.UNREACHABLE,  # no such database
    "53": JournalTrouble.UNREACHABLE,  # too many connections
    "57": JournalTrouble.UNREACHABLE,  # shutting down, starting up
}


def trouble_of(error: BaseException) -> JournalTrouble:
    """Tell what an error of the database means for those who run it."""
    original = getattr(error, "orig", error)
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & _SQLITE_PRIMARY, JournalTrouble.OTHER)
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return _STATES.get(state) or _CLASSES.get(state[:2], JournalTrouble.OTHER)
    # psycopg gives no state where there was no server to give one.
    is_lost = isinstance(error, OperationalError | InterfaceError) and type(original).__module__.startswith("psycopg")
    return JournalTrouble.UNREACHABLE if is_lost else JournalTrouble.OTHER


def is_broken(error: BaseException) -> bool:
    """Tell whether the connection was lost: a new one may well do."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return bool(error.connection_invalidated) or (state is not None and state[:2] in ("08", "57") and state != "57014")
