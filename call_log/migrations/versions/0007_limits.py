"""What each call has spent, and a way to a caller's calls of one day.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; calls that are there already count as having spent nothing."""
    op.add_column("calls", sa.Column("spent", sa.BigInteger, server_default="0", nullable=False))
    op.create_index("ix_calls_caller_created_at", "calls", ["caller", "created_at"])
