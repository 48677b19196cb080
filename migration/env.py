"""Alembic's environment: online only, on the connection that migration/schema.py hands over."""

from alembic import context

from migration.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, compare_type=True, compare_server_default=False)
with context.begin_transaction():
    context.run_migrations()
