"""What became of the cards: feedback is appended, an entry sent twice is kept once, and it can be read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Connection, Dialect, Row, Select, bindparam, select

from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.ledger import Book, Kind, digest_of
from cds_hooks.journal.tables import answered, cards, feedback, invocations, unclaimed_feedback
from cds_hooks.presentation import REASONS_THAT_HOLD
from cds_hooks.protocol.feedback import CardFeedback, Outcome

UNKNOWN_CARD = "unknown card"
OTHER_CLIENT = "card of another client"
FOREIGN_SUGGESTION = "a suggestion is not of this card"  # FB-6
OTHER_SERVICE = "sent to another service than the card's"
LONGEST_STRANGE_ID = 100


@dataclass(frozen=True, slots=True)
class Received:
    """How many entries were new, and which; how many were kept already, and how many named no card of the caller's."""

    stored: int = 0
    repeated: int = 0
    unclaimed: int = 0
    new: tuple[CardFeedback, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RecordedFeedback:
    """One entry as it was recorded."""

    card: str
    outcome: str
    accepted_suggestions: tuple[str, ...]
    reason_system: str | None
    reason_code: str | None
    comment: str | None
    outcome_at: datetime
    received_at: datetime
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """A card that a user rejected: which finding of which service, when, and with which reason of the card's."""

    service: str
    card: str
    summary: str
    topic: str | None
    encounter: str | None
    reason_system: str | None
    reason_code: str | None
    outcome_at: datetime


@dataclass(frozen=True, slots=True)
class _Card:
    issuer: str
    tenant: str | None
    service: str
    suggestions: frozenset[str]
    findings: tuple[str, ...]
    patient: str
    encounter: str | None
    user: str | None


def record_feedback(
    journal: Journal,
    entries: Sequence[CardFeedback],
    *,
    service: str,
    caller: Caller,
    received_at: datetime,
    correlation: str,
) -> Received:
    """Write down a whole message or nothing of it (FB-17).

    Raises:
        NotRecorded: it could not be written; sending it again is safe.
    """
    add_feedback, add_unclaimed = (
        Insert(table, journal.engine.dialect, once_by="digest") for table in (feedback, unclaimed_feedback)
    )
    add_answered = Insert(answered, journal.engine.dialect, once_by=[key.name for key in answered.primary_key])

    def write(book: Book) -> Received:
        known = _known_cards(book.connection, {entry.card_uuid for entry in entries})
        new: list[CardFeedback] = []
        counts = {"repeated": 0, "unclaimed": 0}
        for entry in entries:
            about = {"received_at": received_at, "correlation": correlation}
            card = known.get(entry.card_uuid)
            if card is None or (card.issuer, card.tenant) != (caller.issuer, caller.tenant):
                cause = UNKNOWN_CARD if card is None else OTHER_CLIENT
                row = {**_unclaimed(entry, service, caller, cause), **about}
                _add_once(book, add_unclaimed, Kind.UNCLAIMED, row)
                counts["unclaimed"] += 1
            elif _add_once(book, add_feedback, Kind.FEEDBACK, {**_claimed(entry, service, card), **about}):
                new.append(entry)
                for answer in _answers(entry, card):
                    add_answered.add(book.driver, add_answered.stored(answer))
            else:
                counts["repeated"] += 1
        return Received(len(new), **counts, new=tuple(new))

    return journal.write(write) if entries else Received()


def feedback_of(journal: Journal, card_uuid: str) -> tuple[RecordedFeedback, ...]:
    """Give all that was reported of a card, in the order in which it came."""
    query = select(feedback).where(feedback.c.card == card_uuid).order_by(feedback.c.id)
    return tuple(map(_recorded, _rows(journal, query)))


def overrides_of(journal: Journal, *, patient: str, user: str, caller: Caller) -> tuple[Override, ...]:
    """Give the cards about a patient that a user rejected, newest first."""
    query = (
        select(
            invocations.c.service,
            cards.c.uuid.label("card"),
            cards.c.summary,
            cards.c.topic,
            invocations.c.encounter,
            feedback.c.reason_system,
            feedback.c.reason_code,
            feedback.c.outcome_at,
        )
        .join_from(feedback, cards, feedback.c.card == cards.c.uuid)
        .join(invocations, cards.c.invocation == invocations.c.number)
        .where(
            invocations.c.patient == patient,
            invocations.c.user == user,
            invocations.c.issuer == caller.issuer,
            invocations.c.tenant.is_(None) if caller.tenant is None else invocations.c.tenant == caller.tenant,
            feedback.c.outcome == "overridden",
        )
        .order_by(feedback.c.outcome_at.desc(), feedback.c.id.desc())
    )
    return tuple(Override(**row._mapping) for row in _rows(journal, query))  # noqa: SLF001 - SQLAlchemy's public name


def answered_findings(
    journal: Journal, *, patient: str, user: str, encounter: str | None, caller: Caller
) -> frozenset[str]:
    """Give the findings whose newest override by this user in this encounter has a reason that still holds.

    Without an encounter none is the same encounter (design/contract.md, section 4, Quiet).
    """
    if encounter is None:
        return frozenset()
    sql = _answered_sql(journal.engine.dialect)
    key = {"patient": patient, "encounter": encounter, "user": user}
    parameters = key if not sql.positiontup else [key[name] for name in sql.positiontup]
    found = journal.look_up(sql.string, parameters)
    whose = (caller.issuer, caller.tenant)
    newest = {finding: holds for finding, holds, issuer, tenant in found if (issuer, tenant) == whose}
    return frozenset(finding for finding, holds in newest.items() if holds)


@cache
def _answered_sql(dialect: Dialect) -> Any:
    """Compile the look-up once: it is on the way of every call that has something to say."""
    query = (
        select(answered.c.finding, answered.c.holds, answered.c.issuer, answered.c.tenant)
        .where(
            answered.c.patient == bindparam("patient"),
            answered.c.encounter == bindparam("encounter"),
            answered.c.user == bindparam("user"),
        )
        .order_by(answered.c.outcome_at, answered.c.holds.desc())  # of one moment what does not hold counts
    )
    return query.compile(dialect=dialect)


def _rows(journal: Journal, query: Select[Any]) -> Sequence[Row[Any]]:
    return journal.read(lambda connection: connection.execute(query).all())


def _recorded(row: Row[Any]) -> RecordedFeedback:
    return RecordedFeedback(
        card=row.card,
        outcome=row.outcome,
        accepted_suggestions=tuple(row.accepted_suggestions),
        reason_system=row.reason_system,
        reason_code=row.reason_code,
        comment=row.comment,
        outcome_at=row.outcome_at,
        received_at=row.received_at,
        flags=tuple(row.flags),
    )


def _answers(entry: CardFeedback, card: _Card) -> list[dict[str, Any]]:
    """Give a row for each finding that an override answers, if it can ever be the same user's in the same encounter."""
    if entry.outcome is not Outcome.OVERRIDDEN or card.encounter is None or card.user is None:
        return []
    reason = None if entry.override_reason is None else entry.override_reason.reason
    holds = reason is not None and (reason.system, reason.code) in REASONS_THAT_HOLD
    about = {"patient": card.patient, "encounter": card.encounter, "user": card.user, "card": entry.card_uuid}
    whose = {"issuer": card.issuer, "tenant": card.tenant, "holds": holds, "outcome_at": entry.outcome_timestamp}
    return [{**about, **whose, "finding": finding} for finding in dict.fromkeys(card.findings)]


def _known_cards(connection: Connection, uuids: set[str]) -> Mapping[str, _Card]:
    owners = (
        select(
            cards.c.uuid,
            cards.c.suggestions,
            cards.c.topic,
            invocations.c.issuer,
            invocations.c.tenant,
            invocations.c.service,
            invocations.c.patient,
            invocations.c.encounter,
            invocations.c.user,
        )
        .join_from(cards, invocations, cards.c.invocation == invocations.c.number)
        .where(cards.c.uuid.in_(uuids), cards.c.shown)
    )
    return {
        row.uuid: _Card(
            row.issuer,
            row.tenant,
            row.service,
            frozenset(row.suggestions),
            tuple((row.topic or "").split()),
            row.patient,
            row.encounter,
            row.user,
        )
        for row in connection.execute(owners)
    }


def _claimed(entry: CardFeedback, service: str, card: _Card) -> dict[str, Any]:
    why = entry.override_reason
    reason = None if why is None else why.reason
    flags = list(entry.flags)
    if not set(entry.accepted_suggestions) <= card.suggestions:
        flags.append(FOREIGN_SUGGESTION)
    if service != card.service:
        flags.append(OTHER_SERVICE)
    return {
        "digest": entry.key,
        "card": entry.card_uuid,
        "outcome": entry.outcome.value,
        "accepted_suggestions": list(entry.accepted_suggestions),
        "reason_system": None if reason is None else reason.system,
        "reason_code": None if reason is None else reason.code,
        "reason_display": None if reason is None else reason.display,
        "comment": None if why is None else why.user_comment,
        "outcome_at": entry.outcome_timestamp,
        "flags": flags,
    }


def _unclaimed(entry: CardFeedback, service: str, caller: Caller, cause: str) -> dict[str, Any]:
    return {
        "digest": sha256(orjson.dumps([caller.issuer, caller.tenant, entry.key])).hexdigest(),
        "card": entry.card_uuid[:LONGEST_STRANGE_ID],
        "service": service,
        "issuer": caller.issuer,
        "tenant": caller.tenant,
        "cause": cause,
    }


def _add_once(book: Book, add: Insert, kind: Kind, row: Mapping[str, Any]) -> bool:
    """Add a row unless one with its digest is there, and tell whether it was new."""
    stored = add.stored({**row, "id": book.next_number})
    if not add.add(book.driver, stored):
        return False
    book.enter(kind, digest_of(stored))
    return True
