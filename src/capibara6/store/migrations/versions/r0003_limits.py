"""What limits from usage need: more of each sample, and limits that somebody pinned."""

import sqlalchemy as sa
from alembic import op

from capibara6.store.tables import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    with op.batch_alter_table("usage_samples") as table:
        table.add_column(sa.Column("disk_peak_bytes", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("output_bytes", sa.BigInteger(), nullable=True))
        table.add_column(
            sa.Column("first_error", sa.String(length=255), nullable=False, server_default="")
        )
    op.create_table(
        "limit_pins",
        sa.Column("template", sa.String(length=255), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("timeout_s", sa.Float(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("template", "task", name=op.f("pk_limit_pins")),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("limit_pins")
    with op.batch_alter_table("usage_samples") as table:
        for name in ("first_error", "output_bytes", "disk_peak_bytes"):
            table.drop_column(name)
