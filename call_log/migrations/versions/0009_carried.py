"""What a new holder of a call goes on from.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the logs of calls that are open already are read whole once more."""
    op.add_column("calls", sa.Column("carried", sa.Text))
