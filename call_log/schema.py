"""The tables. It knows columns, constraints and indexes; the statements over them live in the file of each
noun.

Times are UTC milliseconds. The migrations build the same by hand, and a test holds the two equal.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# On SQLite only INTEGER names the row's own key; on PostgreSQL INTEGER would end at two thousand million.
Number = BigInteger().with_variant(Integer, "sqlite")

nodes = Table(
    "nodes",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("lock_path", Text, nullable=False),
    Column("backend_pid", Integer),
    Column("version", Text, nullable=False),
    # Since when it has renewed without a lapse: only who has may call another dead by its heartbeat.
    Column("renewed_since", BigInteger, nullable=False, server_default="0"),
    # It has as many calls as its process may have sockets.
    Column("full", Boolean, nullable=False, server_default=false()),
)

calls = Table(
    "calls",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("call_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("recording", Text, nullable=False),
    # The models behind two deployments' names, for prices: as they were when the call was dialled.
    Column("underlying", Text),
    Column("transcription", Text),
    Column("upstream_call_id", Text),
    Column("upstream_request_id", Text),
    Column("consent", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("observed_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("hang_up_wished_at", BigInteger),
    Column("hang_up_reason", Text),
    Column("hang_up_by", Text),
    Column("end_reason", Text),
    Column("end_certainty", Text),
    Column("failure_code", Text),
    # SET NULL makes "held by a node that has no row" impossible, so that `open_work` may seek instead of
    # scan.
    Column("holder", Text, ForeignKey("nodes.node_id", ondelete="SET NULL")),
    Column("epoch", BigInteger, nullable=False, server_default="0"),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("claimed_at", BigInteger),
    Column("peer_seen_at", BigInteger),
    Column("summary", Text),
    # JSON, while a call is open: its numbers up to a line of its log, from which a new holder goes on.
    Column("carried", Text),
    # The node that has a sideband ready and takes the call over from a holder that is leaving.
    Column("heir", Text),
    # How often an observer died while it worked on this very call.
    Column("crashes", Integer, nullable=False, server_default="0"),
    # For the seal: the digests' salt, and the link of the event `last_seq`.
    Column("salt", LargeBinary),
    Column("head", LargeBinary),
    # Whether its life is told to the operator's webhook.
    Column("webhook", Boolean, nullable=False, server_default=false()),
    Column("retention_days", Integer),
    Column("keep_until", BigInteger),
    # From `erased_at` on nothing of it can be read; up to `erased_seq` its events are empty; since
    # `scrubbed_at` nothing is left in the database's files either.
    Column("erased_at", BigInteger),
    Column("erased_by", Text),
    Column("erased_seq", BigInteger),
    Column("scrubbed_at", BigInteger),
    # Millionths of the price table's currency, as far as there are prices.
    Column("spent", BigInteger, nullable=False, server_default="0"),
    # `ended_at IS NULL` is what the partial indexes below call open; this keeps it true.
    CheckConstraint("(state IN ('ended', 'failed')) = (ended_at IS NOT NULL)", name="over_has_a_time"),
    # A number must not come back after an erasure: events would find a new owner.
    sqlite_autoincrement=True,
)

_open = calls.c.ended_at.is_(None)
_held = calls.c.holder.is_not(None)
_reserved = calls.c.heir.is_not(None)
_kept_for_a_time = calls.c.keep_until.is_not(None) & calls.c.erased_at.is_(None)
_being_erased = calls.c.erased_at.is_not(None) & calls.c.scrubbed_at.is_(None)
_known_upstream = calls.c.upstream_call_id.is_not(None)

Index("uq_calls_call_id", calls.c.call_id, unique=True)
Index("ix_calls_state", calls.c.state, calls.c.number)
Index("ix_calls_caller", calls.c.caller, calls.c.number)
Index("ix_calls_caller_created_at", calls.c.caller, calls.c.created_at)
Index("ix_calls_profile", calls.c.profile, calls.c.number)
Index("ix_calls_created_at", calls.c.created_at)
Index(
    "ix_calls_upstream_call_id",
    calls.c.upstream_call_id,
    sqlite_where=_known_upstream,
    postgresql_where=_known_upstream,
)
Index("ix_calls_open", calls.c.holder, calls.c.state, sqlite_where=_open, postgresql_where=_open)
Index("ix_calls_heir", calls.c.heir, sqlite_where=_reserved, postgresql_where=_reserved)
Index("ix_calls_holder", calls.c.holder, sqlite_where=_held, postgresql_where=_held)

Index(
    "ix_calls_keep_until",
    calls.c.keep_until,
    sqlite_where=_kept_for_a_time,
    postgresql_where=_kept_for_a_time,
)
Index(
    "ix_calls_being_erased",
    calls.c.number,
    sqlite_where=_being_erased,
    postgresql_where=_being_erased,
)

# What must be gone after an erasure stands only in rows that are written once at the end of their table, may
# become shorter, and are never lengthened nor deleted: `texts`, `events`, and `inbox`, which gives its body
# away when it is taken. Where rows grow or go, SQLite moves their neighbours to other pages and leaves copies
# of them behind, which even secure_delete does not wipe.
texts = Table(
    "texts",
    metadata,
    Column("number", Number, nullable=False),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_texts_number", "number"),
)

# A row table in arrival order with one narrow index: clustered by call, each batch would touch a page per
# call and cost two to three times as much. No foreign key for the same reason; `append` admits only numbers
# that are held.
events = Table(
    "events",
    metadata,
    Column("number", Number, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("event_id", Text),
    Column("body", LargeBinary, nullable=False),
    Column("browser", Boolean, nullable=False, server_default=false()),
    Column("digest", LargeBinary),
    Column("link", LargeBinary),
    Index("uq_events_number_seq", "number", "seq", unique=True),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("number", Number, ForeignKey("calls.number"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", Text),
    Column("taken_at", BigInteger),
    Column("taken_epoch", BigInteger),
    sqlite_autoincrement=True,
)

_untaken = inbox.c.taken_at.is_(None)

Index("ix_inbox_number", inbox.c.number, inbox.c.id)
Index("ix_inbox_untaken", inbox.c.number, inbox.c.id, sqlite_where=_untaken, postgresql_where=_untaken)

# No word of a command stands here: its body waits in the inbox, and then is an event. `digest` is salted with the
# call's salt, which an erasure takes away.
commands = Table(
    "commands",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("number", Number, ForeignKey("calls.number"), nullable=False),
    Column("command_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("peer", Text),
    Column("at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text),
    Column("sent_at", BigInteger),
    Column("settled_at", BigInteger),
    Column("epoch", BigInteger),
    Column("digest", LargeBinary),
)

Index("uq_commands_number_command_id", commands.c.number, commands.c.command_id, unique=True)
Index("ix_commands_number_at", commands.c.number, commands.c.at)

# The outbox of the webhook: written in the transaction that makes it true, delivered by any observer.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("number", Number, ForeignKey("calls.number"), nullable=False),
    Column("event", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("next_at", BigInteger),
    Column("tries", Integer, nullable=False),
    Column("status", Integer),
    Column("done_at", BigInteger),
)

_undelivered = deliveries.c.next_at.is_not(None)

Index(
    "uq_deliveries_number_event_subject",
    deliveries.c.number,
    deliveries.c.event,
    deliveries.c.subject,
    unique=True,
)
Index("ix_deliveries_next_at", deliveries.c.next_at, sqlite_where=_undelivered, postgresql_where=_undelivered)
# No argument and no result stands here: those are events, where words are kept.
tool_runs = Table(
    "tool_runs",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("number", Number, ForeignKey("calls.number"), nullable=False),
    Column("function_call_id", Text, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text),
    Column("by", Text),
    Column("at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("settled_at", BigInteger),
    Column("epoch", BigInteger, nullable=False),
)

Index("uq_tool_runs_number_function_call_id", tool_runs.c.number, tool_runs.c.function_call_id, unique=True)
