"""The audit: one entry for each call before it is answered, for each that was refused, for each address not called."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine, delete, insert

from cds_hooks.errors import Fault, JournalTrouble, NotRecorded
from cds_hooks.invocation import Invocation
from cds_hooks.journal.connections import Readers
from cds_hooks.journal.database import is_current, migrate, see_one_moment
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.ledger import Book, Kind, digest_of
from cds_hooks.journal.rationing import Rations
from cds_hooks.journal.rows import Caller, call_row, card_rows
from cds_hooks.journal.tables import blocked, cards, invocations, refusals, seen_tokens
from cds_hooks.journal.writer import MOST_TOGETHER, Writer

_T = TypeVar("_T")

__all__ = ["Caller", "Journal"]

LONGEST_HOST: Final = 255
LEFT_OUT: Final = "too many to write down each"
_NO_STAGES: Final[Mapping[str, int]] = MappingProxyType({})


class Journal:
    """The journal's database: one connection a process that writes, one a thread that reads."""

    def __init__(self, engine: Engine, *, most_together: int = MOST_TOGETHER) -> None:
        """Take an engine; nothing is opened before the first use, so that a worker can fork first.

        `most_together` is how many threads' writings go into one transaction; 1 is what benchmarks compare with.
        """
        self.engine = engine
        self._most_together = most_together
        dialect = engine.dialect
        self._invocations, self._cards = Insert(invocations, dialect), Insert(cards, dialect)
        self._refusals, self._blocked = Insert(refusals, dialect), Insert(blocked, dialect)
        self._rations = Rations()
        self._start()
        _JOURNALS.add(self)

    def migrate(self) -> None:
        """Bring the tables to the newest shape, and keep nothing open."""
        migrate(self.engine)

    def record(
        self,
        invocation: Invocation,
        *,
        caller: Caller,
        correlation: str,
        duration_ms: int,
        stages: Mapping[str, int] = _NO_STAGES,
    ) -> None:
        """Write down a call and its cards; `stages` is where its time went, in microseconds.

        Raises:
            NotRecorded: it could not be written; the call must not be answered.
        """
        row = self._invocations.stored(call_row(invocation, caller, correlation, stages, duration_ms))
        made = [self._cards.stored(card) for card in card_rows(0, invocation)]

        def write(book: Book) -> None:
            number = book.next_number
            row["number"] = number
            for card in made:
                card["invocation"] = number
            self._invocations.add(book.driver, row)
            for card in made:
                self._cards.add(book.driver, card)
            book.enter(Kind.CALL, digest_of(row, made))

        self.write(write)

    def refused(
        self, *, at: datetime, service: str, status: int, faults: Sequence[Fault], caller: Caller, correlation: str
    ) -> None:
        """Write down that a call was refused, and why, in the fixed words of the answer.

        Raises:
            NotRecorded: it could not be written.
        """
        row = {
            "at": at,
            "correlation": correlation,
            "issuer": caller.issuer,
            "tenant": caller.tenant,
            "token": caller.token,
            "service": service,
            "status": status,
            "faults": [asdict(fault) for fault in faults],
        }
        self.write(lambda book: _add(book, self._refusals, Kind.REFUSAL, row))

    def blocked(self, *, at: datetime, issuer: str, host: str, why: str, correlation: str | None) -> None:
        """Write down that a caller named an address that we did not call (FHIR-80).

        Of those that come in great numbers the first of each minute are written, the others counted: in `more` of the
        issuer's next row.

        Raises:
            NotRecorded: it could not be written.
        """
        more = self._rations.take(issuer, at)
        if more is not None:
            about = {"at": at, "correlation": correlation, "issuer": issuer, "more": more}
            row = {**about, "host": host[:LONGEST_HOST], "why": why}
            self.write(lambda book: _add(book, self._blocked, Kind.BLOCKED, row))

    def _write_what_was_left_out(self) -> None:
        for issuer, at, more in self._rations.rest():
            row = {"at": at, "issuer": issuer, "host": "", "why": LEFT_OUT, "more": more}
            with suppress(NotRecorded):
                self.write(partial(_add, add=self._blocked, kind=Kind.BLOCKED, row=row))

    @property
    def trouble(self) -> JournalTrouble | None:
        """Tell why the last writing failed, if it did."""
        return self._writer.trouble

    def is_ready(self) -> bool:
        """Tell whether the journal can be reached, has the shape that this version writes, and takes what is written.

        Only after a failure is the last one tried: nothing is written just because somebody asks.
        """
        try:
            if not self.read(is_current):
                return False
            if self.trouble is not None:
                self.write(_try_to_write)
        except NotRecorded:
            return False
        return True

    def write(self, work: Callable[[Book], _T], *, is_durable: bool = True) -> _T:
        """Do some writing in one short transaction, together with what other threads write at the same moment.

        Raises:
            NotRecorded: nothing of it was written.
        """
        return self._writer.write(work, is_durable=is_durable)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Do some reading on this thread's connection; no writer waits for it.

        Raises:
            NotRecorded: the journal cannot be read.
        """
        return self._readers.read(work)

    def look_up(self, sql: str, parameters: Any) -> list[tuple[Any, ...]]:
        """Give what one statement finds, asked in the driver's own words; for what every call looks up.

        Raises:
            NotRecorded: the journal cannot be read.
        """
        return self._readers.look_up(sql, parameters)

    @contextmanager
    def read_steadily(self) -> Iterator[Connection]:
        """Read for as long as it takes, all from the journal as it is at the first question.

        Raises:
            NotRecorded: the journal cannot be read.
        """
        with self._readers.reading() as connection:
            see_one_moment(connection)
            yield connection

    def close(self) -> None:
        """Close what is still held; how many refused addresses were only counted is written down before."""
        self._write_what_was_left_out()
        self._writer.close()
        self._readers.close()
        self.engine.dispose()

    def _start(self) -> None:
        self._writer = Writer(self.engine, most_together=self._most_together)
        self._readers = Readers(self.engine)

    def _start_in_child(self) -> None:
        # Kept, and never used: to close them would end what the parent has open.
        _INHERITED.append((self._writer, self._readers))
        self._start()


_JOURNALS: WeakSet[Journal] = WeakSet()
_INHERITED: list[Any] = []


def _start_in_child() -> None:
    for journal in list(_JOURNALS):
        journal._start_in_child()  # noqa: SLF001 - this module's own


# No connection survives a fork.
os.register_at_fork(after_in_child=_start_in_child)


def _add(book: Book, add: Insert, kind: Kind, row: Mapping[str, Any]) -> None:
    stored = add.stored({**row, "id": book.next_number})
    add.add(book.driver, stored)
    book.enter(kind, digest_of(stored))


_PROBE: Final = "0" * 64  # no digest of a token


def _try_to_write(book: Book) -> None:
    """Write something, and take it away again; a full disk shows only then."""
    probe = {"key": _PROBE, "expires": datetime.fromtimestamp(0, UTC), "claim": "probe"}
    book.connection.execute(insert(seen_tokens), probe)
    book.connection.execute(delete(seen_tokens).where(seen_tokens.c.key == _PROBE))
