"""Changes of the playbook of lessons."""

import sqlalchemy as sa
from alembic import op

from capibara6.store.tables import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "playbook_deltas",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("bullet", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_playbook_deltas")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_playbook_deltas_id"), "playbook_deltas", ["id"], unique=True)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("playbook_deltas")
