"""What tiers achieved, for the router to learn from."""

import sqlalchemy as sa
from alembic import op

from capibara6.store.tables import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "tier_outcomes",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("tier", sa.String(length=255), nullable=False),
        sa.Column("success", sa.Float(), nullable=False),
        sa.Column("cost_usd", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_tier_outcomes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tier_outcomes_id"), "tier_outcomes", ["id"], unique=True)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("tier_outcomes")
