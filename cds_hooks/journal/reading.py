"""Reads the journal back for those who audit it: calls with their cards, and what became of each."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from cds_hooks.journal.audit import Journal
from cds_hooks.journal.feedback import feedback_of
from cds_hooks.journal.tables import cards, invocations


def newest_calls(journal: Journal, *, limit: int) -> Iterator[dict[str, Any]]:
    """Give the newest calls, newest first, each with its cards and their feedback."""
    query = select(invocations).order_by(invocations.c.number.desc()).limit(limit)
    for call in journal.read(lambda connection: connection.execute(query).mappings().all()):
        row = {str(name): value for name, value in call.items()}  # SQLAlchemy's names are not plain texts
        number = row.pop("number")
        yield {**row, "cards": _cards_of(journal, number)}


def _cards_of(journal: Journal, number: int) -> list[dict[str, Any]]:
    # `cards` has no index on the number of its call, which would cost each call a page; an auditor has the time.
    query = select(cards).where(cards.c.invocation == number)
    rows = journal.read(lambda connection: connection.execute(query).mappings().all())
    return [
        {
            **{str(name): value for name, value in row.items() if name != "invocation"},
            "feedback": [asdict(entry) for entry in feedback_of(journal, row["uuid"])],
        }
        for row in rows
    ]
