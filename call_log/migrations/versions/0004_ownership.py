"""Handing calls over, judging the dead with care, and counting crashes.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nodes of older code count as having renewed for long, and calls as without crashes."""
    op.add_column("nodes", sa.Column("renewed_since", sa.BigInteger, server_default="0", nullable=False))
    op.add_column("nodes", sa.Column("full", sa.Boolean, server_default=sa.false(), nullable=False))
    op.add_column("calls", sa.Column("heir", sa.Text))
    op.add_column("calls", sa.Column("crashes", sa.Integer, server_default="0", nullable=False))
    op.drop_index("ix_calls_wished", "calls")
    reserved = sa.text("heir IS NOT NULL")
    op.create_index("ix_calls_heir", "calls", ["heir"], sqlite_where=reserved, postgresql_where=reserved)
