"""Seal, erasure, retention, and the browser's view of events.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOVED = ("metadata", "failure_detail")


def upgrade() -> None:
    """Add columns, and move what can be erased out of the calls' rows. Events that are there already stay
    outside the browser's view, and unsealed."""
    _make_texts()
    for name in MOVED:
        op.drop_column("calls", name)
    for column in _columns_of_calls():
        op.add_column("calls", column)
    op.add_column("events", sa.Column("browser", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("events", sa.Column("digest", sa.LargeBinary))
    op.add_column("events", sa.Column("link", sa.LargeBinary))
    _partial_index("ix_calls_keep_until", ["keep_until"], "keep_until IS NOT NULL AND erased_at IS NULL")
    _partial_index("ix_calls_being_erased", ["number"], "erased_at IS NOT NULL AND scrubbed_at IS NULL")


def _make_texts() -> None:
    op.create_table(
        "texts",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ix_texts_number", "texts", ["number"])
    for name in MOVED:
        op.execute(
            f"INSERT INTO texts (number, name, text) SELECT number, '{name}', {name} FROM calls "  # noqa: S608
            f"WHERE {name} IS NOT NULL ORDER BY number"
        )


def _columns_of_calls() -> list["sa.Column[object]"]:
    return [
        sa.Column("salt", sa.LargeBinary),
        sa.Column("head", sa.LargeBinary),
        sa.Column("retention_days", sa.Integer),
        sa.Column("keep_until", sa.BigInteger),
        sa.Column("erased_at", sa.BigInteger),
        sa.Column("erased_by", sa.Text),
        sa.Column("erased_seq", sa.BigInteger),
        sa.Column("scrubbed_at", sa.BigInteger),
    ]


def _partial_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "calls", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
