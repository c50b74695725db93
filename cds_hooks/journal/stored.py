"""Rows read back exactly as they were written, in the order of their numbers, so that their digests can be compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import JSON, Column, Connection, FromClause, Select, Text, cast, select

from cds_hooks.journal.ledger import KEYS, TABLES, Kind, digest_of
from cds_hooks.journal.tables import cards, invocations

AT_ONCE: Final = 500  # rows in memory at any time, of each kind


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row's number and its digest as it is now; None if it cannot even be read. `cards` is how many it has."""

    number: int
    digest: str | None
    cards: int = 0


def as_stored(table: FromClause) -> list[Any]:
    """Give the columns of a table, with JSON as the text that it is kept as."""
    return [
        cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column for column in table.columns
    ]


def rows_of(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """Give rows by the names of their columns, as plain texts: SQLAlchemy's own are not."""
    return [{str(name): value for name, value in row.items()} for row in connection.execute(query).mappings()]


def stored_rows(connection: Connection, kind: Kind) -> Iterator[StoredRow]:
    """Give every row of a kind, in the order of their numbers."""
    key: Column[Any] = TABLES[kind].c[KEYS[kind]]
    last: int | None = None
    while True:
        numbers = select(key).order_by(key).limit(AT_ONCE)
        found = connection.execute(numbers if last is None else numbers.where(key > last)).scalars().all()
        if not found:
            return
        yield from _digested(connection, kind, found)
        last = found[-1]


def _digested(connection: Connection, kind: Kind, numbers: Sequence[int]) -> Iterator[StoredRow]:
    table, key = TABLES[kind], KEYS[kind]
    query = select(*as_stored(table)).where(table.c[key].between(numbers[0], numbers[-1])).order_by(table.c[key])
    try:
        rows = rows_of(connection, query)
        made = _cards_of(connection, numbers) if kind is Kind.CALL else {}
    except (ValueError, TypeError):
        # Whoever changed a row may have left what is no time or no JSON.
        if len(numbers) == 1:
            yield StoredRow(numbers[0], None)
            return
        for number in numbers:
            yield from _digested(connection, kind, [number])
        return
    for row in rows:
        its = made.get(row[key], [])
        yield StoredRow(row[key], digest_of(row, its), len(its))


def _cards_of(connection: Connection, numbers: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
    query = select(*as_stored(cards)).where(cards.c.invocation.between(numbers[0], numbers[-1]))
    found = rows_of(connection, query.order_by(cards.c.invocation))
    return {number: list(its) for number, its in groupby(found, key=itemgetter("invocation"))}


def homeless_cards(connection: Connection) -> Iterator[int]:
    """Give the number of each call that is not there, though there are cards of it."""
    owners = cards.outerjoin(invocations, cards.c.invocation == invocations.c.number)
    query = select(cards.c.invocation).select_from(owners).where(invocations.c.number.is_(None)).distinct()
    yield from connection.execute(query.order_by(cards.c.invocation)).scalars()
