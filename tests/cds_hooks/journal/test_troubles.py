"""What an error of the database means, in fixed words: never the driver's own, which may hold values."""

import sqlite3
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from cds_hooks.errors import JournalTrouble
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.tables import refusals
from cds_hooks.journal.troubles import is_broken, is_from_a_database, is_of_the_database, trouble_of
from tests.cds_hooks.journal.journals import ADatabase


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("a value")
    error.sqlite_errorcode = code
    return error


def of_postgresql(state: str | None) -> psycopg.OperationalError:
    kind = type("AnError", (psycopg.OperationalError,), {"sqlstate": state})
    error: psycopg.OperationalError = kind("a value")
    return error


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (of_sqlite(sqlite3.SQLITE_FULL), JournalTrouble.FULL),
        (of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED), JournalTrouble.READ_ONLY),
        (of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), JournalTrouble.LOCKED),
        (of_sqlite(sqlite3.SQLITE_CANTOPEN), JournalTrouble.UNREACHABLE),
        (of_sqlite(sqlite3.SQLITE_IOERR_WRITE), JournalTrouble.OTHER),
        (of_postgresql("53100"), JournalTrouble.FULL),
        (of_postgresql("25006"), JournalTrouble.READ_ONLY),
        (of_postgresql("55P03"), JournalTrouble.LOCKED),
        (of_postgresql("57014"), JournalTrouble.LOCKED),
        (of_postgresql("57P01"), JournalTrouble.UNREACHABLE),
        (of_postgresql("28P01"), JournalTrouble.UNREACHABLE),
        (of_postgresql(None), JournalTrouble.UNREACHABLE),
        (of_postgresql("XX000"), JournalTrouble.OTHER),
        (psycopg.DataError("a value"), JournalTrouble.OTHER),
        (OSError(), JournalTrouble.OTHER),
    ],
)
def test_an_error_is_told_in_fixed_words(error: Any, trouble: JournalTrouble) -> None:
    assert trouble_of(error) is trouble
    assert trouble_of(DBAPIError.instance("", {}, error, Exception) if isinstance(error, OSError) else error) is trouble


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (of_postgresql(None), True),
        (of_postgresql("57P01"), True),
        (of_postgresql("08006"), True),
        (of_postgresql("57014"), False),
        (of_postgresql("53100"), False),
        (psycopg.DataError(), False),
        (of_sqlite(sqlite3.SQLITE_IOERR), False),
    ],
)
def test_only_a_lost_connection_is_worth_another_try(error: Exception, broken: bool) -> None:
    assert is_broken(error) is broken


def test_whose_fault_it_is() -> None:
    wrong_row = IntegrityError("", {}, sqlite3.IntegrityError())
    assert is_from_a_database(wrong_row)
    assert not is_of_the_database(wrong_row)
    assert is_of_the_database(of_sqlite(sqlite3.SQLITE_FULL))
    assert is_of_the_database(of_postgresql(None))
    assert not is_from_a_database(ZeroDivisionError())


def test_an_error_does_not_repeat_what_was_to_be_written(journal: Journal, database: ADatabase) -> None:
    engine = open_database(database.url)
    stored = Insert(refusals, engine.dialect).stored({"id": 1, "issuer": "MARKER"})
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(refusals.insert(), stored)
    told = str(caught.value).partition("DETAIL")[0]  # PostgreSQL's own words, which nobody prints
    assert "MARKER" not in told
    assert journal.trouble is None
