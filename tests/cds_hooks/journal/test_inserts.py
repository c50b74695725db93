"""Inserts compiled once say the same to every database we know."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql.base import PGDialect

from cds_hooks.journal.audit import Journal
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.tables import feedback, refusals
from tests.cds_hooks.journal.journals import NOW, rows

ROW: dict[str, Any] = {
    "id": 7,
    "at": NOW,
    "correlation": "c",
    "issuer": "i",
    "service": "s",
    "status": 400,
    "faults": [{"code": "invalid"}],
}


def test_a_row_comes_back_as_it_was_added(journal: Journal) -> None:
    add = Insert(refusals, journal.engine.dialect)
    assert journal.write(lambda book: add.add(book.driver, add.stored(ROW)))
    assert rows(journal, refusals) == [{**ROW, "tenant": None, "token": None}]


def test_a_row_that_is_there_is_not_added_again(journal: Journal) -> None:
    add = Insert(refusals, journal.engine.dialect, once_by="id")
    row = add.stored(ROW)
    assert journal.write(lambda book: [add.add(book.driver, row), add.add(book.driver, row)]) == [True, False]
    assert len(rows(journal, refusals)) == 1


def test_what_is_stored_is_what_a_digest_covers() -> None:
    add = Insert(refusals, PGDialect(paramstyle="pyformat"))  # type: ignore[no-untyped-call]
    eastern = datetime.fromisoformat("2024-06-01T07:00:00-05:00")
    stored = add.stored({**ROW, "at": eastern, "tenant": "a\0b"})
    assert (stored["at"].isoformat(), stored["faults"]) == ("2024-06-01T12:00:00+00:00", '[{"code":"invalid"}]')
    assert (stored["tenant"], stored["token"]) == ("a\ufffdb", None)


def test_each_database_is_told_in_its_own_words(journal: Journal) -> None:
    once = Insert(feedback, journal.engine.dialect, once_by="digest")
    assert "ON CONFLICT (digest) DO NOTHING" in once._sql
    marks = {"sqlite": "?", "postgresql": "%(digest)s"}
    assert marks[journal.engine.dialect.name] in once._sql
