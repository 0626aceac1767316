"""Calls, events, inbox and nodes.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    _make_nodes()
    _make_calls()
    _index_calls()
    _make_events()
    _make_inbox()


def _make_nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger, nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
        sa.Column("lock_path", sa.Text, nullable=False),
        sa.Column("backend_pid", sa.Integer),
        sa.Column("version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("node_id", name="pk_nodes"),
    )


def _make_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("upstream", sa.Text, nullable=False),
        sa.Column("recording", sa.Text, nullable=False),
        sa.Column("underlying", sa.Text),
        sa.Column("transcription", sa.Text),
        sa.Column("upstream_call_id", sa.Text),
        sa.Column("upstream_request_id", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("consent", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("answered_at", sa.BigInteger),
        sa.Column("observed_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("hang_up_wished_at", sa.BigInteger),
        sa.Column("hang_up_reason", sa.Text),
        sa.Column("hang_up_by", sa.Text),
        sa.Column("end_reason", sa.Text),
        sa.Column("end_certainty", sa.Text),
        sa.Column("failure_code", sa.Text),
        sa.Column("failure_detail", sa.Text),
        sa.Column("holder", sa.Text),
        sa.Column("epoch", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("last_seq", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("claimed_at", sa.BigInteger),
        sa.Column("peer_seen_at", sa.BigInteger),
        sa.Column("summary", sa.Text),
        sa.PrimaryKeyConstraint("number", name="pk_calls"),
        sa.ForeignKeyConstraint(["holder"], ["nodes.node_id"], name="fk_calls_holder", ondelete="SET NULL"),
        sa.CheckConstraint(
            "(state IN ('ended', 'failed')) = (ended_at IS NOT NULL)", name=op.f("ck_calls_over_has_a_time")
        ),
        sqlite_autoincrement=True,
    )


def _index_calls() -> None:
    op.create_index("uq_calls_call_id", "calls", ["call_id"], unique=True)
    op.create_index("ix_calls_state", "calls", ["state", "number"])
    op.create_index("ix_calls_caller", "calls", ["caller", "number"])
    op.create_index("ix_calls_profile", "calls", ["profile", "number"])
    op.create_index("ix_calls_created_at", "calls", ["created_at"])
    _partial_index("ix_calls_upstream_call_id", "calls", ["upstream_call_id"], "upstream_call_id IS NOT NULL")
    _partial_index("ix_calls_open", "calls", ["holder", "state"], "ended_at IS NULL")
    _partial_index("ix_calls_holder", "calls", ["holder"], "holder IS NOT NULL")
    _partial_index(
        "ix_calls_wished", "calls", ["number"], "hang_up_wished_at IS NOT NULL AND ended_at IS NULL"
    )


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("uq_events_number_seq", "events", ["number", "seq"], unique=True)


def _make_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("taken_at", sa.BigInteger),
        sa.Column("taken_epoch", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.ForeignKeyConstraint(["number"], ["calls.number"], name="fk_inbox_number"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_number", "inbox", ["number", "id"])
    _partial_index("ix_inbox_untaken", "inbox", ["number", "id"], "taken_at IS NULL")


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
