"""Erases what may no longer be kept; the ledger goes on, and says which of its entries stand for what is gone.

An erasure's own record names nobody, not even by a digest of the patient's id: whoever holds the journal could try
every id against it. It holds the numbers of the ledger's entries, which `verify` needs, and those lead nowhere.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, func, or_, select

from cds_hooks.errors import JournalTrouble, NotRecorded
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import driver_of
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.ledger import KEYS, TABLES, Book, Kind, digest_of
from cds_hooks.journal.tables import (
    answered,
    blocked,
    cards,
    erasures,
    feedback,
    invocations,
    ledger,
    refusals,
    unclaimed_feedback,
)
from cds_hooks.journal.troubles import trouble_of

CARD: Final = "card"  # counted like a kind, though the ledger enters cards with their call
AT_ONCE: Final = 500  # calls in one transaction: while it lasts, nobody else writes
_TRIES, _PAUSE_SECONDS = 50, 0.1
_DATED: Final = {
    Kind.REFUSAL: refusals.c.at,
    Kind.BLOCKED: blocked.c.at,
    Kind.UNCLAIMED: unclaimed_feedback.c.received_at,
}


@dataclass(frozen=True, slots=True)
class OfPatient:
    """All calls about a patient, or by a patient, with their cards and the feedback on them; of one issuer, or all."""

    patient: str
    issuer: str | None = None
    why: str = "patient"

    @property
    def calls(self) -> ColumnElement[bool]:
        """Say which calls."""
        about = or_(invocations.c.patient == self.patient, invocations.c.user == f"Patient/{self.patient}")
        return about if self.issuer is None else about & (invocations.c.issuer == self.issuer)

    def others(self) -> Mapping[Kind, ColumnElement[bool]]:
        """Nothing else names a patient."""
        return {}


@dataclass(frozen=True, slots=True)
class Before:
    """All that was written down before a moment, except erasures."""

    moment: datetime
    why: str = "retention"

    @property
    def calls(self) -> ColumnElement[bool]:
        """Say which calls."""
        return invocations.c.at < self.moment

    def others(self) -> Mapping[Kind, ColumnElement[bool]]:
        """Say which records that hang on no call."""
        return {kind: column < self.moment for kind, column in _DATED.items()}


What = OfPatient | Before


def count(journal: Journal, what: What) -> Mapping[str, int]:
    """Tell how many records would be erased, by kind; cards for themselves."""
    its = select(cards.c.uuid).join(invocations, cards.c.invocation == invocations.c.number).where(what.calls)
    others = dict(what.others())
    unclaimed: ColumnElement[bool] = unclaimed_feedback.c.card.in_(its)
    if Kind.UNCLAIMED in others:
        unclaimed = or_(unclaimed, others.pop(Kind.UNCLAIMED))
    queries: dict[str, tuple[Table, ColumnElement[bool]]] = {
        Kind.CALL.value: (invocations, what.calls),
        CARD: (cards, cards.c.uuid.in_(its)),
        Kind.FEEDBACK.value: (feedback, feedback.c.card.in_(its)),
        Kind.UNCLAIMED.value: (unclaimed_feedback, unclaimed),
        **{kind.value: (TABLES[kind], which) for kind, which in others.items()},
    }

    def read(connection: Connection) -> Mapping[str, int]:
        return {
            kind: connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()
            for kind, (table, which) in queries.items()
        }

    return journal.read(read)


def erase(journal: Journal, what: What, *, at: datetime) -> Mapping[str, int]:
    """Erase, in steps that each leave a record of themselves, and tell how many records are gone, by kind.

    Raises:
        NotRecorded: the journal failed; what was erased until then is erased and recorded.
    """
    add = Insert(erasures, journal.engine.dialect)
    total: dict[str, int] = {}

    def step(find: Callable[[Connection], dict[Kind, list[int]]]) -> bool:
        def write(book: Book) -> Mapping[str, int]:
            numbers = find(book.connection)
            return _erase(book, add, numbers, what, at) if any(numbers.values()) else {}

        gone = journal.write(write)
        for kind, number in gone.items():
            total[kind] = total.get(kind, 0) + number
        return bool(gone)

    finders: list[Callable[[Connection], dict[Kind, list[int]]]] = [partial(_calls_with_feedback, what=what)]
    finders += [partial(_others, kind=kind, which=which) for kind, which in what.others().items()]
    for find in finders:
        while step(find):
            """Each step erases some, until none are left."""
    return total


def wipe(engine: Engine) -> bool:
    """Let nothing of what was erased remain in the database's files; False if others kept the journal busy all along.

    SQLite writes its file anew and empties the log beside it. PostgreSQL's `VACUUM` frees the space for new rows; its
    write-ahead log and backups age out as the server is told.
    """
    with engine.connect() as connection:
        driver = driver_of(connection)
        if engine.dialect.name == "postgresql":
            driver.autocommit = True
            for table in (*TABLES.values(), cards, answered):
                driver.execute(f"VACUUM {table.name}")
            return True
        for _ in range(_TRIES):
            try:
                driver.execute("VACUUM")
                is_busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError as error:
                if trouble_of(error) is not JournalTrouble.LOCKED:
                    raise NotRecorded(cause=trouble_of(error)) from error
            else:
                if not is_busy:
                    return True
            time.sleep(_PAUSE_SECONDS)
        return False


def _others(connection: Connection, kind: Kind, which: ColumnElement[bool]) -> dict[Kind, list[int]]:
    return {kind: _some(connection, kind, which, limit=AT_ONCE)}


def _calls_with_feedback(connection: Connection, what: What) -> dict[Kind, list[int]]:
    calls = _some(connection, Kind.CALL, what.calls, limit=AT_ONCE)
    its = select(cards.c.uuid).where(cards.c.invocation.in_(calls))
    return {
        Kind.FEEDBACK: _some(connection, Kind.FEEDBACK, feedback.c.card.in_(its), limit=None),
        Kind.UNCLAIMED: _some(connection, Kind.UNCLAIMED, unclaimed_feedback.c.card.in_(its), limit=None),
        Kind.CALL: calls,
    }


def _some(connection: Connection, kind: Kind, which: ColumnElement[bool], *, limit: int | None) -> list[int]:
    key = TABLES[kind].c[KEYS[kind]]
    return list(connection.execute(select(key).where(which).order_by(key).limit(limit)).scalars())


def _erase(book: Book, add: Insert, numbers: Mapping[Kind, list[int]], what: What, at: datetime) -> Mapping[str, int]:
    """Delete rows, those first that point at others, and enter that they are gone."""
    connection = book.connection
    entries = [entry for kind, rows in numbers.items() for entry in _entries_of(connection, kind, rows)]
    counts = {kind.value: len(rows) for kind, rows in numbers.items() if rows}
    for kind, rows in numbers.items():
        if kind is Kind.CALL:
            its = select(cards.c.uuid).where(cards.c.invocation.in_(rows))
            connection.execute(delete(answered).where(answered.c.card.in_(its)))
            counts[CARD] = connection.execute(delete(cards).where(cards.c.invocation.in_(rows))).rowcount
        connection.execute(delete(TABLES[kind]).where(TABLES[kind].c[KEYS[kind]].in_(rows)))
    row = {"id": book.next_number, "at": at, "why": what.why, "counts": counts, "entries": _spans(entries)}
    stored = add.stored(row)
    add.add(book.driver, stored)
    book.enter(Kind.ERASURE, digest_of(stored))
    return counts


def _entries_of(connection: Connection, kind: Kind, rows: list[int]) -> list[int]:
    """Find the ledger's entries of rows: the same number, except for rows from before there was a ledger."""
    if not rows:
        return []
    its = (ledger.c.kind == kind.value) & ledger.c.row.in_(rows)
    new = select(ledger.c.number).where(its, ledger.c.number.in_(rows), ledger.c.number == ledger.c.row)
    same = list(connection.execute(new).scalars())
    if len(same) == len(rows):
        return same
    old = select(ledger.c.number).where(its, ledger.c.number != ledger.c.row)
    return [*same, *connection.execute(old).scalars()]


def _spans(numbers: Iterable[int]) -> list[list[int]]:
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return spans
