"""The embedded stack: Postgres, Kafka and Connect as child processes."""
