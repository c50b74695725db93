"""Reads the journal back for those who audit it: what we told whom about a patient, why, and what became of it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from cds_hooks.journal.audit import Journal
from cds_hooks.journal.feedback import feedback_of
from cds_hooks.journal.ledger import Kind
from cds_hooks.journal.stored import rows_of
from cds_hooks.journal.tables import blocked, cards, feedback, invocations, refusals


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls an auditor asks for: all that meet every condition given."""

    patient: str | None = None
    issuer: str | None = None
    card: str | None = None
    correlation: str | None = None
    since: datetime | None = None

    @property
    def calls(self) -> Select[Any]:
        """Give the query, newest first."""
        conditions: list[ColumnElement[bool]] = []
        if self.patient is not None:
            conditions.append(invocations.c.patient == self.patient)
        if self.issuer is not None:
            conditions.append(invocations.c.issuer == self.issuer)
        if self.card is not None:
            conditions.append(invocations.c.number.in_(select(cards.c.invocation).where(cards.c.uuid == self.card)))
        if self.correlation is not None:
            of_feedback = select(cards.c.invocation).join(feedback, feedback.c.card == cards.c.uuid)
            sent = of_feedback.where(feedback.c.correlation == self.correlation)
            conditions.append(or_(invocations.c.correlation == self.correlation, invocations.c.number.in_(sent)))
        if self.since is not None:
            conditions.append(invocations.c.at >= self.since)
        return select(invocations).where(and_(True, *conditions)).order_by(invocations.c.number.desc())  # noqa: FBT003


def newest_calls(journal: Journal, *, limit: int, wanted: Wanted | None = None) -> Iterator[dict[str, Any]]:
    """Give the newest calls that are wanted, newest first, each with its cards and their feedback.

    Of one that cannot even be read there is its number, and that it is `unreadable`.
    """
    numbers = (wanted or Wanted()).calls.with_only_columns(invocations.c.number).limit(limit)
    for found in _rows(journal, numbers):
        number = found["number"]
        try:
            yield from _call(journal, number)
        except (ValueError, TypeError):
            # Whoever changed a row may have left what is no time or no JSON: it must hide none of the others.
            yield {"number": number, "unreadable": True}


def _call(journal: Journal, number: int) -> list[dict[str, Any]]:
    """Give a call with its cards; nothing if it was erased meanwhile."""
    calls = _rows(journal, select(invocations).where(invocations.c.number == number))
    for call in calls:
        call["cards"] = _cards_of(journal, number, call.pop("details") or {})
    return calls


def not_answered(journal: Journal, correlation: str) -> Iterator[tuple[Kind, Mapping[str, Any]]]:
    """Give what else is known of one request: that it was refused, or that an address it named was not called."""
    for kind, table in ((Kind.REFUSAL, refusals), (Kind.BLOCKED, blocked)):
        for row in _rows(journal, select(table).where(table.c.correlation == correlation).order_by(table.c.id)):
            yield kind, row


def _cards_of(journal: Journal, number: int, details: Mapping[str, str]) -> list[dict[str, Any]]:
    query = select(cards).where(cards.c.invocation == number).order_by(cards.c.place, cards.c.uuid)
    return [
        {
            **{name: value for name, value in row.items() if name not in {"invocation", "place"}},
            "detail": details.get(row["uuid"]),
            "feedback": [asdict(entry) for entry in feedback_of(journal, row["uuid"])],
        }
        for row in _rows(journal, query)
    ]


def _rows(journal: Journal, query: Select[Any]) -> list[dict[str, Any]]:
    def read(connection: Connection) -> list[dict[str, Any]]:
        return rows_of(connection, query)

    return journal.read(read)
