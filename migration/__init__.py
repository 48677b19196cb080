"""The schema's versions (Alembic), and the way over from the old database."""
