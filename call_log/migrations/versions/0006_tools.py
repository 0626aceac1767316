"""Runs of tools.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table of runs; on calls that are going on no tool has run."""
    op.create_table(
        "tool_runs",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("number", NUMBER, sa.ForeignKey("calls.number"), nullable=False),
        sa.Column("function_call_id", sa.Text, nullable=False),
        sa.Column("response_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("by", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "uq_tool_runs_number_function_call_id", "tool_runs", ["number", "function_call_id"], unique=True
    )
