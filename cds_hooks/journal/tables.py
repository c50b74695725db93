"""The journal's tables, as SQLAlchemy Core sees them; `migrations` is what makes them."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)

UUID = String(36)
SHA256 = String(64)
# SQLite's own numbers have 64 bits under this one name; elsewhere a busy hospital would use up 32 in a year or two.
NUMBER = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """A moment, kept in UTC whatever zone it came in: SQLite knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn to UTC on the way in."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give UTC on the way out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _required(name: str, kind: Any, *rest: Any, **more: Any) -> Column[Any]:
    return Column(name, kind, *rest, nullable=False, **more)


def _number(name: str) -> Column[Any]:
    """A primary key that the ledger gives, never the database."""
    return Column(name, NUMBER, primary_key=True, autoincrement=False)


# What is in the journal, in order: each entry's hash covers the hash before it, so none can be changed, left out or put
# in without changing all that follow. `row` is the number of the row in the table of its kind; `digest` covers that
# row (a call's with its cards). Entries are never deleted, even when what they stand for is erased.
ledger = Table(
    "ledger",
    metadata,
    _number("number"),
    _required("kind", String(16)),
    _required("row", NUMBER),
    _required("digest", SHA256),
    _required("hash", SHA256),
)

# One row a call that was answered. `outcome` is the facts of the call: assessments, availability, what was dropped;
# `stages` is where the time went, in microseconds; `token` is the id of the token with which the caller proved who it
# was; `details` is the texts of its cards by their uuids: in `cards` they would take a page more each.
invocations = Table(
    "invocations",
    metadata,
    _number("number"),
    _required("id", UUID),
    _required("at", Instant),
    _required("correlation", UUID),
    _required("issuer", Text),
    Column("tenant", Text),
    Column("token", Text),
    Column("user", Text),
    _required("hook", String(64)),
    _required("hook_instance", Text),
    _required("service", Text),
    _required("state", String(16)),
    Column("withheld", Text),
    _required("patient", Text),
    Column("encounter", Text),
    _required("duration_ms", Integer),
    Column("stages", JSON),
    _required("outcome", JSON),
    Column("details", JSON),
    Index(None, "patient"),
)

# One row a card, shown or held back, with what feedback may refer to: uuid and label of each suggestion; `place` is its
# place among the cards of its call. Without a rowid SQLite keeps the rows in the order of their uuids, one index less.
cards = Table(
    "cards",
    metadata,
    Column("uuid", UUID, primary_key=True),
    _required("invocation", NUMBER, ForeignKey("invocations.number")),
    Column("place", Integer),
    _required("indicator", String(16)),
    _required("summary", Text),
    Column("topic", Text),
    _required("shown", Boolean),
    _required("suggestions", JSON),
    Index(None, "invocation"),
    sqlite_with_rowid=False,
)

# Appended, never overwritten (FB-14); `digest` makes a repeated entry the same row.
feedback = Table(
    "feedback",
    metadata,
    _number("id"),
    _required("digest", SHA256, unique=True),
    _required("card", UUID, ForeignKey("cards.uuid")),
    _required("outcome", String(16)),
    _required("accepted_suggestions", JSON),
    Column("reason_system", Text),
    Column("reason_code", Text),
    Column("reason_display", Text),
    Column("comment", Text),
    _required("outcome_at", Instant),
    _required("received_at", Instant),
    _required("correlation", UUID),
    _required("flags", JSON),
    Index(None, "card"),
)

# Which findings a user has answered by overriding a card, and whether the reason holds: told from the feedback, kept
# where a call finds it in one probe. Not in the ledger: nothing is in it that the feedback does not say.
answered = Table(
    "answered",
    metadata,
    Column("patient", Text, primary_key=True),
    Column("encounter", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("card", UUID, primary_key=True),
    Column("finding", Text, primary_key=True),
    Column("outcome_at", Instant, primary_key=True),
    Column("holds", Boolean, primary_key=True),
    _required("issuer", Text),
    Column("tenant", Text),
    Index(None, "card"),
    sqlite_with_rowid=False,
)

# Feedback for a card that is unknown or another's: that it came, and nothing of what it said (FB-3, FB-18).
unclaimed_feedback = Table(
    "unclaimed_feedback",
    metadata,
    _number("id"),
    _required("digest", SHA256, unique=True),
    _required("card", Text),
    _required("service", Text),
    _required("issuer", Text),
    Column("tenant", Text),
    _required("cause", String(32)),
    _required("received_at", Instant),
    _required("correlation", UUID),
)

# Calls that were refused or failed after their service was known: who asked what, and why not.
refusals = Table(
    "refusals",
    metadata,
    _number("id"),
    _required("at", Instant),
    _required("correlation", UUID),
    _required("issuer", Text),
    Column("tenant", Text),
    Column("token", Text),
    _required("service", Text),
    _required("status", Integer),
    _required("faults", JSON),
)

# Addresses that we were asked to call and did not (FHIR-80); `more` counts those of the same issuer that were left out
# since its row before.
blocked = Table(
    "blocked",
    metadata,
    _number("id"),
    _required("at", Instant),
    Column("correlation", UUID),
    _required("issuer", Text),
    _required("host", Text),
    _required("why", Text),
    _required("more", Integer),
)

# What was erased: numbers of the ledger's entries, as pairs of first and last, and nothing that names a patient.
erasures = Table(
    "erasures",
    metadata,
    _number("id"),
    _required("at", Instant),
    _required("why", String(16)),
    _required("counts", JSON),
    _required("entries", JSON),
)

# Tokens that were used, until they expire (SEC-18). Not in the ledger: they are gone within minutes. `claim` tells
# whose use was the first when the answer of the database was lost.
seen_tokens = Table(
    "seen_tokens",
    metadata,
    Column("key", SHA256, primary_key=True),
    _required("expires", Instant),
    _required("claim", UUID),
    sqlite_with_rowid=False,
)
