"""Run by Alembic; the caller's connection comes in the configuration's attributes."""

from alembic import context

from capibara6.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, though Alembic assumes that it cannot
)
with context.begin_transaction():
    context.run_migrations()
