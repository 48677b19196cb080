#!/bin/sh
# Run once by the Postgres image, on the empty volume of the server `warehouse`: the roles, the database and the captured table with
# its publication. The same as connectors/local/postgres.py does for the embedded server.
set -e
# The passwords come from the environment: an argument could be read by every process of the machine.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv owner_password WAREHOUSE_PASSWORD
\getenv capture_password DEBEZIUM_PASSWORD
CREATE ROLE warehouse LOGIN PASSWORD :'owner_password';
CREATE ROLE debezium LOGIN REPLICATION PASSWORD :'capture_password';
CREATE DATABASE warehouse OWNER warehouse;
SQL
# As its owner, so that the tables and the publication are the owner's.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname warehouse --single-transaction \
    --command 'SET ROLE warehouse' --file "${WAREHOUSE_SCHEMA:-/warehouse/schema.sql}"
