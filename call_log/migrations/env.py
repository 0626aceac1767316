"""What Alembic runs around the revisions: it gets an open transaction from `call_log.migrations` and
nothing else."""

from alembic import context

from call_log.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
