"""A ledger that chains all that is written down; what else a call's record holds; tokens seen; refused addresses.

Rows of before are entered in the ledger as they are found. The numbers of later rows come from the ledger, so it begins
where it will not run into those that are there.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from cds_hooks.journal.ledger import BEGINNING, digest_of, hash_of
from cds_hooks.journal.stored import as_stored, rows_of
from cds_hooks.journal.tables import Instant

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

_BATCH = 500
_INVOCATIONS = sa.table(
    "invocations",
    sa.column("number", NUMBER),
    sa.column("id", sa.String),
    sa.column("at", Instant),
    sa.column("correlation", sa.String),
    sa.column("issuer", sa.Text),
    sa.column("tenant", sa.Text),
    sa.column("user", sa.Text),
    sa.column("hook", sa.String),
    sa.column("hook_instance", sa.Text),
    sa.column("service", sa.Text),
    sa.column("state", sa.String),
    sa.column("withheld", sa.Text),
    sa.column("patient", sa.Text),
    sa.column("encounter", sa.Text),
    sa.column("duration_ms", sa.Integer),
    sa.column("outcome", sa.JSON),
)
_CARDS = sa.table(
    "cards",
    sa.column("uuid", sa.String),
    sa.column("invocation", NUMBER),
    sa.column("indicator", sa.String),
    sa.column("summary", sa.Text),
    sa.column("topic", sa.Text),
    sa.column("shown", sa.Boolean),
    sa.column("suggestions", sa.JSON),
)
_REFUSALS = sa.table(
    "refusals",
    sa.column("id", NUMBER),
    sa.column("at", Instant),
    sa.column("correlation", sa.String),
    sa.column("issuer", sa.Text),
    sa.column("tenant", sa.Text),
    sa.column("service", sa.Text),
    sa.column("status", sa.Integer),
    sa.column("faults", sa.JSON),
)
_FEEDBACK = sa.table(
    "feedback",
    sa.column("id", NUMBER),
    sa.column("digest", sa.String),
    sa.column("card", sa.String),
    sa.column("outcome", sa.String),
    sa.column("accepted_suggestions", sa.JSON),
    sa.column("reason_system", sa.Text),
    sa.column("reason_code", sa.Text),
    sa.column("reason_display", sa.Text),
    sa.column("comment", sa.Text),
    sa.column("outcome_at", Instant),
    sa.column("received_at", Instant),
    sa.column("correlation", sa.String),
    sa.column("flags", sa.JSON),
)
_UNCLAIMED = sa.table(
    "unclaimed_feedback",
    sa.column("id", NUMBER),
    sa.column("digest", sa.String),
    sa.column("card", sa.Text),
    sa.column("service", sa.Text),
    sa.column("issuer", sa.Text),
    sa.column("tenant", sa.Text),
    sa.column("cause", sa.String),
    sa.column("received_at", Instant),
    sa.column("correlation", sa.String),
)
_LEDGER = sa.table(
    "ledger",
    sa.column("number", NUMBER),
    sa.column("kind", sa.String),
    sa.column("row", NUMBER),
    sa.column("digest", sa.String),
    sa.column("hash", sa.String),
)
_CHAINED = (
    ("call", _INVOCATIONS, "number"),
    ("refusal", _REFUSALS, "id"),
    ("feedback", _FEEDBACK, "id"),
    ("unclaimed", _UNCLAIMED, "id"),
)


def upgrade() -> None:
    """Bring the tables to this revision."""
    _make_tables()
    for table, column in (
        ("invocations", sa.Column("token", sa.Text())),
        ("invocations", sa.Column("stages", sa.JSON())),
        ("cards", sa.Column("place", sa.Integer())),
        ("invocations", sa.Column("details", sa.JSON())),
        ("refusals", sa.Column("token", sa.Text())),
    ):
        op.add_column(table, column)
    if op.get_bind().dialect.name != "sqlite":
        for table, name in (
            ("invocations", "number"),
            ("cards", "invocation"),
            ("feedback", "id"),
            ("unclaimed_feedback", "id"),
            ("refusals", "id"),
        ):
            op.alter_column(table, name, type_=sa.BigInteger(), existing_type=sa.Integer(), existing_nullable=False)
    op.create_index(op.f("ix_cards_invocation"), "cards", ["invocation"], unique=False)
    _enter_all()


def downgrade() -> None:
    """Bring the tables back to the revision before; the chain is lost."""
    op.drop_index(op.f("ix_cards_invocation"), table_name="cards")
    for table, name in (
        ("refusals", "token"),
        ("invocations", "details"),
        ("cards", "place"),
        ("invocations", "stages"),
        ("invocations", "token"),
    ):
        op.drop_column(table, name)
    for table in ("seen_tokens", "erasures", "blocked", "ledger"):
        op.drop_table(table)


def _make_tables() -> None:
    op.create_table(
        "ledger",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("row", NUMBER, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger")),
    )
    op.create_table(
        "blocked",
        sa.Column("id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("correlation", sa.String(length=36), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("more", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocked")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "seen_tokens",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.Column("claim", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_seen_tokens")),
        sqlite_with_rowid=False,
    )


def _enter_all() -> None:
    connection = op.get_bind()
    counts = [
        connection.execute(sa.select(sa.func.count(), sa.func.max(table.c[key])).select_from(table)).one()
        for _, table, key in _CHAINED
    ]
    total, highest = sum(count for count, _ in counts), max((number or 0) for _, number in counts)
    if not total:
        return
    number, previous = max(1, highest - total + 1), BEGINNING
    for kind, table, key in _CHAINED:
        for batch in _batches(connection, table, key):
            digests = _digests(connection, table, batch)
            entries = []
            for row, digest in zip(batch, digests, strict=True):
                previous = hash_of(previous, number, kind, row[key], digest)
                entries.append({"number": number, "kind": kind, "row": row[key], "digest": digest, "hash": previous})
                number += 1
            connection.execute(sa.insert(_LEDGER), entries)


def _batches(connection: sa.Connection, table: sa.FromClause, key: str) -> Iterator[list[dict[str, Any]]]:
    last = None
    while True:
        query = sa.select(*as_stored(table)).order_by(table.c[key]).limit(_BATCH)
        batch = rows_of(connection, query if last is None else query.where(table.c[key] > last))
        if not batch:
            return
        yield batch
        last = batch[-1][key]


def _digests(connection: sa.Connection, table: sa.FromClause, batch: list[dict[str, Any]]) -> list[str]:
    if table is not _INVOCATIONS:
        return [digest_of(row) for row in batch]
    owners = [row["number"] for row in batch]
    query = sa.select(*as_stored(_CARDS)).where(_CARDS.c.invocation.in_(owners))
    found = rows_of(connection, query.order_by(_CARDS.c.invocation))
    made = {owner: list(rows) for owner, rows in groupby(found, key=lambda row: row["invocation"])}
    return [digest_of(row, made.get(row["number"], [])) for row in batch]
