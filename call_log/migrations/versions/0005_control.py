"""Commands.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table of commands; calls that are going on have had none."""
    op.create_table(
        "commands",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("number", NUMBER, sa.ForeignKey("calls.number"), nullable=False),
        sa.Column("command_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("peer", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("epoch", sa.BigInteger),
        sa.Column("digest", sa.LargeBinary),
    )
    op.create_index("uq_commands_number_command_id", "commands", ["number", "command_id"], unique=True)
    op.create_index("ix_commands_number_at", "commands", ["number", "at"])
