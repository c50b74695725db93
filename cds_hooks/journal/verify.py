"""Proves that nothing in the journal was changed, removed, added, put elsewhere or cut off since it was written."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, func, select

from cds_hooks.journal.audit import Journal
from cds_hooks.journal.ledger import BEGINNING, TABLES, Head, Kind, digest_of, hash_of
from cds_hooks.journal.stored import AT_ONCE, StoredRow, as_stored, homeless_cards, rows_of, stored_rows
from cds_hooks.journal.tables import cards, erasures, ledger

MOST_HELD: Final = (
    10_000  # rows without an entry that may yet prove to be out of order; beyond that each is told at once
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, of which kind of record (`ledger`: an entry of the ledger itself), and its number."""

    kind: str
    number: int
    what: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.kind} {self.number}: {self.what}"


ALTERED: Final = "altered"
MISSING: Final = "missing"
ADDED: Final = "added: the ledger knows nothing of it"
HOMELESS: Final = "missing, though it has cards"
OUT_OF_ORDER: Final = "out of order"
STILL_THERE: Final = "was erased and is there again"
BROKEN: Final = "altered, or an entry before it was"
CUT_OFF: Final = "cut off: the ledger ends before the expected entry"
OTHER: Final = "not the expected entry: the ledger was written anew"
NO_BEGINNING: Final = "does not follow the beginning of the ledger: entries before it are missing"


@dataclass(slots=True)
class Verification:
    """Walks through the whole journal once; `findings` gives what is wrong as it is found, in constant memory."""

    connection: Connection
    expected: Head | None = None
    entries: int = 0
    erased: int = 0
    head: Head = field(default_factory=lambda: Head(0, BEGINNING))
    _walks: dict[Kind, "_Walk"] = field(init=False)
    _erased: "_Erased" = field(init=False)
    _cards: int = 0
    _expected_hash: str | None = None

    def findings(self) -> Iterator[Finding]:
        """Give each fault; none if the journal is whole. Afterwards the other attributes say what was seen."""
        self._walks = {kind: _Walk(stored_rows(self.connection, kind)) for kind in Kind}
        self._erased = _Erased.found(self.connection)
        for entry in _entries(self.connection):
            yield from self._link(entry)
            yield from self._row(entry)
            self.entries += 1
            self.head = Head(entry.number, entry.hash)
            if self.expected is not None and entry.number == self.expected.number:
                self._expected_hash = entry.hash
        for kind, walk in self._walks.items():
            for row in walk.rest():
                self._cards += row.cards
                yield Finding(kind, row.number, ADDED)
        yield from self._homeless_cards()
        yield from self._end()

    def _link(self, entry: Row[Any]) -> Iterator[Finding]:
        is_first, follows = not self.entries, entry.number == self.head.number + 1
        if not is_first and not follows:
            first, last = self.head.number + 1, entry.number - 1
            yield Finding("ledger", first, MISSING if first == last else f"{MISSING}, with all up to {last}")
            return
        link = hash_of(self.head.hash, entry.number, entry.kind, entry.row, entry.digest)
        if link != entry.hash:
            yield Finding("ledger", entry.number, NO_BEGINNING if is_first else BROKEN)

    def _row(self, entry: Row[Any]) -> Iterator[Finding]:
        if entry.kind not in TABLES:
            yield Finding("ledger", entry.number, ALTERED)
            return
        kind = Kind(entry.kind)
        walk = self._walks[kind]
        is_out_of_order = entry.row <= walk.last
        row, early = walk.take(entry.row)
        for each in early:
            self._cards += each.cards
            yield Finding(kind, each.number, ADDED)
        is_erased = self._erased.holds(entry.number)
        self.erased += is_erased
        if row is None:
            if not is_erased:
                yield Finding(kind, entry.row, MISSING)
            return
        self._cards += row.cards
        if is_erased:
            yield Finding(kind, entry.row, STILL_THERE)
        if is_out_of_order:
            yield Finding(kind, entry.row, OUT_OF_ORDER)
        if row.digest != entry.digest:
            yield Finding(kind, entry.row, ALTERED)

    def _homeless_cards(self) -> Iterator[Finding]:
        total = self.connection.execute(select(func.count()).select_from(cards)).scalar_one()
        if total != self._cards:
            for call in homeless_cards(self.connection):
                yield Finding(Kind.CALL, call, HOMELESS)

    def _end(self) -> Iterator[Finding]:
        expected = self.expected
        if expected is None or self._expected_hash == expected.hash:
            return
        if self._expected_hash is None and expected.number > self.head.number:
            yield Finding("ledger", self.head.number, CUT_OFF)
        else:
            yield Finding("ledger", expected.number, OTHER)


class _Walk:
    """The rows of one kind, met by the ledger's entries in order."""

    def __init__(self, rows: Iterator[StoredRow]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self._early: dict[int, StoredRow] = {}  # rows passed over without an entry: added, or their entry comes late
        self.last = -1

    def take(self, number: int) -> tuple[StoredRow | None, list[StoredRow]]:
        """Give the row of an entry, None if it is not there, and the rows that can no longer have an entry."""
        if number <= self.last:
            return self._early.pop(number, None), []
        self.last = number
        too_many = []
        while self._next is not None and self._next.number < number:
            if len(self._early) < MOST_HELD:
                self._early[self._next.number] = self._next
            else:
                too_many.append(self._next)
            self._next = next(self._rows, None)
        if self._next is None or self._next.number != number:
            return None, too_many
        row, self._next = self._next, next(self._rows, None)
        return row, too_many

    def rest(self) -> Iterator[StoredRow]:
        """Give the rows that no entry stands for."""
        yield from self._early.values()
        while self._next is not None:
            yield self._next
            self._next = next(self._rows, None)


@dataclass(frozen=True, slots=True)
class _Erased:
    """Which entries stand for what was erased: only those of erasures that are in the ledger themselves, unchanged."""

    starts: list[int]
    ends: list[int]

    @classmethod
    def found(cls, connection: Connection) -> "_Erased":
        query = (
            select(*as_stored(erasures), ledger.c.digest)
            .join_from(erasures, ledger, ledger.c.number == erasures.c.id)
            .where(ledger.c.kind == Kind.ERASURE.value)
            .order_by(erasures.c.id)
        )
        spans: list[tuple[int, int]] = []
        for row in rows_of(connection, query):
            digest = row.pop("digest")
            if digest_of(row) == digest:
                spans.extend((first, last) for first, last in orjson.loads(row["entries"]) if last < row["id"])
        spans.sort()
        return cls([first for first, _ in spans], [last for _, last in spans])

    def holds(self, number: int) -> bool:
        # No entry is erased twice, so no two spans overlap.
        place = bisect_right(self.starts, number) - 1
        return place >= 0 and number <= self.ends[place]


def _entries(connection: Connection) -> Iterator[Row[Any]]:
    last: int | None = None
    while True:
        query = select(ledger).order_by(ledger.c.number).limit(AT_ONCE)
        found = connection.execute(query if last is None else query.where(ledger.c.number > last)).all()
        if not found:
            return
        yield from found
        last = found[-1].number


@contextmanager
def verifying(journal: Journal, expected: Head | None = None) -> Iterator[Verification]:
    """Verify the journal as it is at this moment, while others go on writing.

    Raises:
        NotRecorded: it cannot be read.
    """
    with journal.read_steadily() as connection:
        yield Verification(connection, expected)
