"""The journal's tables, as SQLAlchemy Core sees them; `migrations` is what makes them."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
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


# One row a call that was answered. `outcome` is the facts of the call: assessments, availability, what was dropped.
invocations = Table(
    "invocations",
    metadata,
    Column("number", Integer, primary_key=True),
    _required("id", UUID),
    _required("at", Instant),
    _required("correlation", UUID),
    _required("issuer", Text),
    Column("tenant", Text),
    Column("user", Text),
    _required("hook", String(64)),
    _required("hook_instance", Text),
    _required("service", Text),
    _required("state", String(16)),
    Column("withheld", Text),
    _required("patient", Text),
    Column("encounter", Text),
    _required("duration_ms", Integer),
    _required("outcome", JSON),
    Index(None, "patient"),
)

# One row a card, shown or held back, with what feedback may refer to: uuid and label of each suggestion. Without a
# rowid SQLite keeps the rows in the order of their uuids; each further index would cost every call a page more.
cards = Table(
    "cards",
    metadata,
    Column("uuid", UUID, primary_key=True),
    _required("invocation", Integer, ForeignKey("invocations.number")),
    _required("indicator", String(16)),
    _required("summary", Text),
    Column("topic", Text),
    _required("shown", Boolean),
    _required("suggestions", JSON),
    sqlite_with_rowid=False,
)

# Appended, never overwritten (FB-14); `digest` makes a repeated entry the same row.
feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    _required("digest", String(64), unique=True),
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

# Feedback for a card that is unknown or another's: that it came, and nothing of what it said (FB-3, FB-18).
unclaimed_feedback = Table(
    "unclaimed_feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    _required("digest", String(64), unique=True),
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
    Column("id", Integer, primary_key=True),
    _required("at", Instant),
    _required("correlation", UUID),
    _required("issuer", Text),
    Column("tenant", Text),
    _required("service", Text),
    _required("status", Integer),
    _required("faults", JSON),
)
