"""What users have answered, where a call can look it up in one probe: the quiet rule asks at every card."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the table, empty: an override of before is not remembered."""
    op.create_table(
        "answered",
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("encounter", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text()),
        sa.PrimaryKeyConstraint(
            "patient", "encounter", "user", "card", "finding", "outcome_at", "holds", name=op.f("pk_answered")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_answered_card"), "answered", ["card"])


def downgrade() -> None:
    """Forget it: it can be told from the feedback."""
    op.drop_table("answered")
