#!/bin/sh
# Run once by the Postgres image, on the empty volume of the server `rewards`: the roles and the database. The tables and what the
# roles may do with them are made by `rewards database upgrade`. The same as connectors/local/postgres.py does for the embedded server.
set -e
# The passwords come from the environment: an argument could be read by every process of the machine.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv application_password APP_PASSWORD
\getenv capture_password DEBEZIUM_PASSWORD
CREATE ROLE rewards_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE rewards_app LOGIN PASSWORD :'application_password';
CREATE ROLE debezium LOGIN REPLICATION PASSWORD :'capture_password';
CREATE DATABASE sunroc_rewards OWNER rewards_owner;
SQL
