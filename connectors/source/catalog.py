"""Reads what a captured database's catalogs say. One query for the catalogs and one for the watermarks; no lock on the captured table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from connectors.errors import ConnectorsError
from connectors.source.captured import MARKS, SCHEMA, WATERMARKS, Captured

if TYPE_CHECKING:
    import psycopg2.extensions

CONNECT_SECONDS: Final = 2
STATEMENT_SECONDS: Final = 3
LOCK_SECONDS: Final = 1
NAMESPACES_SINCE: Final = 150_000
"""Publications of whole schemas, row filters and column lists came with Postgres 15."""


class SourceUnreadableError(ConnectorsError):
    """A captured database does not answer, or does not let us see what must be known."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a captured table."""

    number: int
    """Of a column that was dropped and added again it is another one."""
    type: str
    """With its modifier: numeric(15,2)."""
    base: str
    """Without, and of a domain its base: numeric."""
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A captured table, or the watermarks."""

    oid: int
    kind: str = "r"
    persistence: str = "p"
    is_partition: bool = False
    has_children: bool = False
    """Other tables inherit from it."""
    hides_rows: bool = False
    """Row level security applies to the connector's role."""
    replica_identity: str = "f"
    readable: bool = True
    """The connector's role may SELECT."""
    updatable: bool = True
    columns: dict[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """A table in a publication."""

    oid: int
    """Of its entry: a table that was taken out and put back has another one. Of the schema's entry where that is published."""
    column_numbers: tuple[int, ...] | None = None
    filtered: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """The connector's publication."""

    oid: int
    version: str
    """Changes with every ALTER PUBLICATION of its options."""
    publishes: frozenset[str] = frozenset({"insert", "update", "delete", "truncate"})
    via_root: bool = False
    tables: dict[str, Published] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slot:
    """The connector's replication slot."""

    database: str | None
    plugin: str | None
    active: bool = True
    wal_status: str | None = "reserved"
    invalidation_reason: str | None = None
    """None also where the server is too old to say it."""
    behind_bytes: int | None = 0


@dataclass(frozen=True, slots=True)
class Role:
    """The role that the connector logs in as."""

    may_replicate: bool = True
    """LOGIN, REPLICATION, CONNECT and USAGE of the schema."""
    may_mark: bool = True
    """USAGE of the sequence that the heartbeat takes its marks from."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What one captured database says of what a connector captures."""

    database: str
    wal_level: str
    role: Role | None
    tables: dict[str, Table]
    sequence: bool
    publication: Publication | None
    slot: Slot | None
    watermarks: frozenset[str]


@contextmanager
def opened(address: str, *, statement_seconds: float = STATEMENT_SECONDS) -> Iterator[psycopg2.extensions.connection]:
    """Connect with limits on everything that can take long; each statement is a transaction.

    Raises:
        SourceUnreadableError: the database does not answer, or refused what was asked.

    """
    import psycopg2

    limits = f"-c statement_timeout={statement_seconds * 1000:.0f} -c lock_timeout={LOCK_SECONDS * 1000}"
    try:
        connection = psycopg2.connect(
            address, connect_timeout=CONNECT_SECONDS, options=limits, application_name="rewards source check",
            keepalives_idle=5, tcp_user_timeout=5000,
        )  # fmt: skip
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise SourceUnreadableError(_first_line(error)) from error


def read(connection: psycopg2.extensions.connection, captured: Captured, role: str) -> Catalog:
    """Read everything that the judgement needs."""
    with connection.cursor() as cursor:
        statement = _CATALOG.replace("/*schemas*/", _SCHEMAS if connection.server_version >= NAMESPACES_SINCE else "")
        cursor.execute(
            statement,
            {
                "schema": SCHEMA,
                "tables": list(captured.tables),
                "sequence": f"{SCHEMA}.{MARKS}",
                "publication": captured.publication,
                "slot": captured.slot,
                "role": role,
            },
        )
        found = cursor.fetchone()
        catalog: dict[str, Any] = found[0] if found else {}
        rows: list[tuple[str]] = []
        if WATERMARKS in (catalog["tables"] or {}):
            cursor.execute(f"SELECT customer_master_id FROM {SCHEMA}.{WATERMARKS}")  # noqa: S608 - our own names
            rows = cursor.fetchall()
    return parse(catalog, frozenset(name for (name,) in rows))


def parse(found: dict[str, Any], watermarks: frozenset[str]) -> Catalog:
    """Give what the catalogs' query returned its types."""
    tables = {
        name: Table(**(table | {"columns": {column: Column(*values) for column, values in table["columns"].items()}}))
        for name, table in (found["tables"] or {}).items()
    }
    slot = found["slot"]
    return Catalog(
        database=found["database"],
        wal_level=found["wal_level"],
        role=Role(**found["role"]) if found["role"] else None,
        tables=tables,
        sequence=found["sequence"],
        publication=_publication(found["publication"], found["entries"] or [], tables),
        slot=Slot(
            slot["database"], slot["plugin"], slot["active"], slot["wal_status"],
            slot.get("invalidation_reason"), slot["behind_bytes"],
        ) if slot else None,
        watermarks=watermarks,
    )  # fmt: skip


def _publication(
    found: dict[str, Any] | None, entries: list[dict[str, Any]], tables: dict[str, Table]
) -> Publication | None:
    if found is None:
        return None
    oid = found["oid"]
    # A publication of all tables has no entry a table: it stands and falls with the publication.
    published = {name: Published(oid) for name in tables} if found["puballtables"] else {}
    for entry in entries:
        if entry["relation"] is None:
            published |= {name: Published(entry["oid"]) for name in tables if name not in published}
    for entry in entries:
        if entry["relation"] is not None:
            listed = tuple(entry["columns"]) if entry["columns"] is not None else None
            published[entry["relation"]] = Published(entry["oid"], listed, entry["filtered"])
    publishes = {"insert", "update", "delete", "truncate"}
    return Publication(
        oid,
        found["version"],
        frozenset(one for one in publishes if found[f"pub{one}"]),
        found["pubviaroot"],
        published,
    )


def _first_line(error: Exception) -> str:
    said = str(error).strip()
    return said.splitlines()[0] if said else type(error).__name__


_CATALOG: Final = """
WITH role AS (SELECT oid, rolcanlogin AND (rolreplication OR rolsuper) AS may,
  rolsuper OR rolbypassrls AS all_rows FROM pg_roles WHERE rolname = %(role)s),
pub AS (SELECT xmin::text AS version, p.* FROM pg_publication AS p WHERE pubname = %(publication)s),
relation AS (SELECT c.* FROM pg_class AS c WHERE relnamespace = to_regnamespace(%(schema)s) AND relname = ANY (%(tables)s))
SELECT json_build_object(
  'database', current_database(),
  'wal_level', current_setting('wal_level'),
  'sequence', to_regclass(%(sequence)s) IS NOT NULL,
  'role', (SELECT json_build_object(
      'may_replicate', may AND has_database_privilege(oid, current_database(), 'CONNECT')
        AND has_schema_privilege(oid, %(schema)s, 'USAGE'),
      'may_mark', coalesce(has_sequence_privilege(oid, to_regclass(%(sequence)s)::oid, 'USAGE'), false)) FROM role),
  'tables', (SELECT json_object_agg(relname, json_build_object(
      'oid', c.oid::bigint, 'kind', relkind, 'persistence', relpersistence, 'is_partition', relispartition,
      'replica_identity', relreplident,
      'has_children', EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid) AND relkind = 'r',
      'hides_rows', relrowsecurity AND NOT coalesce((SELECT all_rows FROM role), false),
      'readable', coalesce((SELECT has_table_privilege(role.oid, c.oid, 'SELECT') FROM role), false),
      'updatable', coalesce((SELECT has_table_privilege(role.oid, c.oid, 'UPDATE') FROM role), false),
      'columns', (SELECT json_object_agg(attname, json_build_array(attnum, format_type(atttypid, atttypmod),
          format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL), attgenerated <> ''))
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = atttypid
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)))
    FROM relation AS c),
  'publication', (SELECT to_jsonb(pub) || jsonb_build_object('oid', pub.oid::bigint) FROM pub),
  'entries', (SELECT json_agg(one) FROM (
      SELECT r.oid::bigint AS oid, c.relname AS relation, to_jsonb(r) ->> 'prqual' IS NOT NULL AS filtered,
        to_jsonb(r) -> 'prattrs' AS columns
      FROM pg_publication_rel AS r JOIN pub ON pub.oid = r.prpubid JOIN relation AS c ON c.oid = r.prrelid
      /*schemas*/) AS one),
  'slot', (SELECT to_jsonb(s) || jsonb_build_object('behind_bytes', (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint)
    FROM pg_replication_slots AS s WHERE slot_name = %(slot)s))
"""
_SCHEMAS: Final = """
      UNION ALL SELECT n.oid::bigint, NULL, false, NULL FROM pg_publication_namespace AS n JOIN pub ON pub.oid = n.pnpubid
      WHERE n.pnnspid = to_regnamespace(%(schema)s)
"""
