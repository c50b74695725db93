"""Alembic's entry: the connection is given by `cds_hooks.journal.database.migrate`, which also holds the lock."""

from alembic import context

from cds_hooks.journal.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
