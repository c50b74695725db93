"""Tokens that were used already, known to every worker through the journal's database (SEC-18)."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import uuid4

from sqlalchemy import delete, select

from cds_hooks.journal.audit import Journal
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.ledger import Book
from cds_hooks.journal.tables import seen_tokens

SWEEP_EVERY: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Seen:
    """Remembers the ids of tokens until they expire."""

    journal: Journal
    _add: Insert = field(init=False)
    _swept: datetime | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        """Prepare the statement."""
        self._add = Insert(seen_tokens, self.journal.engine.dialect, once_by="key")

    def is_first(self, issuer: str, token_id: str, expires: datetime, now: datetime) -> bool:
        """Tell whether this token of this issuer is used for the first time, and remember it.

        It is written without waiting for the disk: after a power failure a token of the last moments could be used
        again, which the short life of tokens bounds; a process that is killed forgets none.

        Raises:
            NotRecorded: it could not be looked up; the call must not be answered.
        """
        key = sha256(f"{len(issuer)}:{issuer}{token_id}".encode(errors="surrogatepass")).hexdigest()
        claim = str(uuid4())
        row = self._add.stored({"key": key, "expires": expires, "claim": claim})
        is_due = self._is_sweep_due(now)

        def write(book: Book) -> bool:
            if is_due:
                book.connection.execute(delete(seen_tokens).where(seen_tokens.c.expires < now))
            if self._add.add(book.driver, row):
                return True
            # Written before, by another; or by this very use, if the connection was lost while it was committed.
            first = select(seen_tokens.c.claim).where(seen_tokens.c.key == key)
            return bool(book.connection.execute(first).scalar() == claim)

        return self.journal.write(write, is_durable=False)

    def _is_sweep_due(self, now: datetime) -> bool:
        with self._guard:
            is_due = self._swept is None or abs(now - self._swept) >= SWEEP_EVERY
            if is_due:
                self._swept = now
            return is_due
