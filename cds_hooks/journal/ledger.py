"""The ledger: one chain of hashes over everything that is written down, so that nothing can go missing unseen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Engine, Table

from cds_hooks.journal.database import driver_of
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.tables import blocked, erasures, feedback, invocations, ledger, refusals, unclaimed_feedback

BEGINNING: Final = "0" * 64
"""What stands for the hash before the first entry."""

_HEAD: Final = "SELECT number, hash FROM ledger ORDER BY number DESC LIMIT 1"


class Kind(StrEnum):
    """What an entry stands for."""

    CALL = "call"
    REFUSAL = "refusal"
    BLOCKED = "blocked"
    FEEDBACK = "feedback"
    UNCLAIMED = "unclaimed"
    ERASURE = "erasure"


TABLES: Final[Mapping[Kind, Table]] = {
    Kind.CALL: invocations,
    Kind.REFUSAL: refusals,
    Kind.BLOCKED: blocked,
    Kind.FEEDBACK: feedback,
    Kind.UNCLAIMED: unclaimed_feedback,
    Kind.ERASURE: erasures,
}


KEYS: Final[Mapping[Kind, str]] = {kind: "number" if kind is Kind.CALL else "id" for kind in Kind}


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the ledger: whoever keeps it elsewhere can prove later that nothing before it was changed."""

    number: int
    hash: str

    def __str__(self) -> str:
        """Write it as `verify` prints and expects it."""
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head | None":
        """Read what `verify` printed; None if it is nothing of the kind."""
        number, _, digest = text.partition(":")
        is_one = number.isascii() and number.isdigit() and len(digest) == len(BEGINNING)
        return cls(int(number), digest.lower()) if is_one else None


def digest_of(row: Mapping[str, Any], cards: Sequence[Mapping[str, Any]] = ()) -> str:
    """Give the digest of a row as it is stored, with JSON as its text and times in UTC; a call's covers its cards.

    Absent values are left out: a column that a later version adds changes no digest of an earlier row.
    """
    content = [_present(row), *sorted(map(_present, cards), key=_uuid)]
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def hash_of(previous: str, number: int, kind: str, row: int, digest: str) -> str:
    """Give the hash of an entry."""
    return sha256(f"{previous}\n{number}\n{kind}\n{row}\n{digest}".encode()).hexdigest()


def _uuid(card: Mapping[str, Any]) -> str:
    return str(card["uuid"])


def _present(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


class Book:
    """The ledger within one open transaction that writes; it is looked up when the first entry is made."""

    __slots__ = ("_add", "_head", "connection", "driver")

    def __init__(self, connection: Connection, add: Insert) -> None:
        """Take a connection on which nobody else can write until the transaction ends: see `begin_writing`."""
        self.connection = connection
        self.driver = driver_of(connection)
        self._add = add
        self._head: Head | None = None

    @property
    def head(self) -> Head:
        """Give the end of the ledger, with what this transaction has added."""
        if self._head is None:
            self._head = head_of(self.driver)
        return self._head

    @property
    def next_number(self) -> int:
        """Give the number of the next entry: what it stands for has the same number in its own table."""
        return self.head.number + 1

    @property
    def is_written(self) -> bool:
        """Tell whether this transaction may have added anything."""
        return self._head is not None

    def enter(self, kind: Kind, digest: str, *, row: int | None = None) -> int:
        """Add the entry of a row that was just written, and give its number."""
        number = self.next_number
        row = number if row is None else row
        link = hash_of(self.head.hash, number, kind, row, digest)
        self._add.add(self.driver, {"number": number, "kind": kind.value, "row": row, "digest": digest, "hash": link})
        self._head = Head(number, link)
        return number


def head_of(driver: Any) -> Head:
    """Give the end of the ledger."""
    row = driver.execute(_HEAD).fetchone()
    return Head(0, BEGINNING) if row is None else Head(*row)


def has(driver: Any, head: Head) -> bool:
    """Tell whether an entry is in the ledger."""
    return bool(driver.execute(f"SELECT hash FROM ledger WHERE number = {head.number:d}").fetchone() == (head.hash,))  # noqa: S608


def add_to(engine: Engine) -> Insert:
    """Give the statement that adds an entry."""
    return Insert(ledger, engine.dialect)
