"""What is wrong with the journal's database, in fixed words: a driver's own may hold values."""

import sqlite3
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

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


def is_from_a_database(error: BaseException) -> bool:
    """Tell whether it is an error of SQLAlchemy's, of a driver's, or of the files beneath."""
    return isinstance(error, SQLAlchemyError | OSError | sqlite3.Error) or _is_psycopgs(error)


def is_of_the_database(error: BaseException) -> bool:
    """Tell whether it is the database that failed, and not what it was asked to write."""
    original = _original(error)
    names = {kind.__name__ for kind in type(original).__mro__}
    return is_from_a_database(error) and bool(
        names & {"OperationalError", "InterfaceError", "InternalError", "OSError"}
    )


def trouble_of(error: BaseException) -> JournalTrouble:
    """Tell what an error of the database means for those who run it."""
    original = _original(error)
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & _SQLITE_PRIMARY, JournalTrouble.OTHER)
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return _STATES.get(state) or _CLASSES.get(state[:2], JournalTrouble.OTHER)
    # psycopg gives no state where there was no server to give one.
    is_lost = _is_psycopgs(original) and is_of_the_database(original)
    return JournalTrouble.UNREACHABLE if is_lost else JournalTrouble.OTHER


def is_broken(error: BaseException) -> bool:
    """Tell whether the connection to a server was lost: a new one may well do."""
    original = _original(error)
    if not _is_psycopgs(original) or not is_of_the_database(original):
        return False
    state = getattr(original, "sqlstate", None)
    return state is None or (state not in _STATES and state[:2] in ("08", "57"))


def _original(error: BaseException) -> BaseException:
    original = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else error


def _is_psycopgs(error: BaseException) -> bool:
    # Known by name: the driver is installed only where it is needed.
    return any(kind.__module__ == "psycopg" or kind.__module__.startswith("psycopg.") for kind in type(error).__mro__)
