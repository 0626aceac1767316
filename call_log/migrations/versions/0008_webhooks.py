"""The outbox of the webhook.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table; calls that were dialled before tell nobody."""
    op.add_column("calls", sa.Column("webhook", sa.Boolean, server_default=sa.false(), nullable=False))
    op.create_table(
        "deliveries",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("number", NUMBER, sa.ForeignKey("calls.number"), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("done_at", sa.BigInteger),
    )
    same = ["number", "event", "subject"]
    op.create_index("uq_deliveries_number_event_subject", "deliveries", same, unique=True)
    undelivered = sa.text("next_at IS NOT NULL")
    op.create_index(
        "ix_deliveries_next_at",
        "deliveries",
        ["next_at"],
        sqlite_where=undelivered,
        postgresql_where=undelivered,
    )
