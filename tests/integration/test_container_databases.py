"""What the containers' init scripts make of an empty Postgres, beside what the embedded stack made of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from connectors.local import binaries, postgres
from connectors.local.folder import StackFolder
from connectors.settings import PROJECT, LocalSettings
from tests.stack import Stack

PASSWORDS = {
    "WAREHOUSE_PASSWORD": "of-the-warehouse",
    "OWNER_PASSWORD": "of-the-owner",
    "APP_PASSWORD": "of-the-application",
    "DEBEZIUM_PASSWORD": "of-capture",
}
ROLES = """
    SELECT rolname, rolcanlogin, rolreplication, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls
    FROM pg_roles WHERE rolname = ANY (%s) ORDER BY rolname
"""
DATABASE = "SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database WHERE datname = %s"
RELATIONS = """
    SELECT c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relreplident, c.reloptions, c.relacl::text
    FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace ORDER BY c.relname
"""
COLUMNS = """
    SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
    WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) AND attnum > 0
    ORDER BY 1, 2
"""
PUBLICATIONS = "SELECT pubname, tablename FROM pg_publication_tables ORDER BY 1, 2"


@pytest.fixture
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Postgres as the image starts one: nothing in it but what initdb makes."""
    server = Stack(tmp_path_factory.mktemp("server"))
    try:
        server.up("--only", "postgres")
        yield server
    finally:
        server.discard()


def run_init_script(server: Stack, script: str) -> None:
    folder = StackFolder(server.folder)
    programs = binaries.postgres(LocalSettings().postgres_bin, data_major=None).bin
    environment = PASSWORDS | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "POSTGRES_USER": "postgres",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(folder.state()["ports"]["postgres"]),
        "PGPASSWORD": folder.secrets().passwords["postgres"],
        "WAREHOUSE_SCHEMA": str(PROJECT / "connectors" / "warehouse" / "schema.sql"),
    }
    subprocess.run([PROJECT / "docker" / script], env=environment, check=True, capture_output=True, timeout=60)


def asked(folder: Path, database: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Rows that a server gives its superuser."""
    stack = StackFolder(folder)
    url = postgres.url("postgres", database, stack.secrets(), stack.state()["ports"]["postgres"])
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall()
    finally:
        connection.close()


def may_log_in(server: Stack, role: str, password: str, database: str) -> bool:
    port = StackFolder(server.folder).state()["ports"]["postgres"]
    psycopg2.connect(host="127.0.0.1", port=port, user=role, password=password, dbname=database).close()
    return True


def test_warehouse_made_by_the_container_equals_the_embedded_one(stack: Stack, empty_server: Stack) -> None:
    run_init_script(empty_server, "init-warehouse.sh")

    for database, query, arguments in (
        ("postgres", ROLES, (["warehouse", "debezium"],)),
        ("postgres", DATABASE, ("warehouse",)),
        ("warehouse", RELATIONS, ()),
        ("warehouse", COLUMNS, ()),
        ("warehouse", PUBLICATIONS, ()),
    ):
        made = asked(empty_server.folder, database, query, *arguments)
        assert made
        assert made == asked(stack.folder, database, query, *arguments)
    assert may_log_in(empty_server, "warehouse", "of-the-warehouse", "warehouse")
    assert may_log_in(empty_server, "debezium", "of-capture", "warehouse")


def test_rewards_database_made_by_the_container_is_one_that_upgrade_takes(stack: Stack, empty_server: Stack) -> None:
    run_init_script(empty_server, "init-rewards.sh")

    roles = ["rewards_owner", "rewards_app", "debezium"]
    port = StackFolder(empty_server.folder).state()["ports"]["postgres"]
    owner = f"postgresql://rewards_owner:of-the-owner@127.0.0.1:{port}/sunroc_rewards"
    environment = dict(os.environ) | {"REWARDS_OWNER_DATABASE_URL": owner}
    empty_server.command("database", "upgrade", environment=environment)

    for database, query, arguments in (
        ("postgres", ROLES, (roles,)),
        ("postgres", DATABASE, ("sunroc_rewards",)),
        ("sunroc_rewards", RELATIONS, ()),
        ("sunroc_rewards", COLUMNS, ()),
        ("sunroc_rewards", PUBLICATIONS, ()),
    ):
        made = asked(empty_server.folder, database, query, *arguments)
        assert made
        assert made == asked(stack.folder, database, query, *arguments)
    assert may_log_in(empty_server, "rewards_app", "of-the-application", "sunroc_rewards")
    assert may_log_in(empty_server, "debezium", "of-capture", "sunroc_rewards")
