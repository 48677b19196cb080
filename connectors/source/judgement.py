"""PURE: compares what is seen of a source with what the stream relies on, and with what was captured when the snapshot began.

Each function returns findings; none means that all of it was seen and is well.
"""

from __future__ import annotations

from typing import Final

from connectors.source.captured import MARKS, WATERMARKS, Captured
from connectors.source.catalog import Catalog, Publication, Table
from connectors.source.findings import REPAIR, Code, Finding, Said
from connectors.source.memory import Identity, Memory
from connectors.source.slot import judge_role, judge_slot
from connectors.watermarks import watermark_ids

OPERATIONS: Final = ("insert", "update", "delete", "truncate")


def judge_catalog(
    captured: Captured, catalog: Catalog, partitions: int | None, *, past_snapshot: bool | None
) -> list[Finding]:
    """What is wrong with a captured database as it stands.

    Args:
        captured: what the connector captures.
        catalog: what the database says.
        partitions: of the topic; None where it is not known.
        past_snapshot: whether the connector has a place in the WAL that it goes on from; None where that is not known.

    """
    said = Said(captured.connector)
    if catalog.wal_level != "logical":
        said.add(
            Code.WAL_LEVEL,
            f"wal_level of the server of {catalog.database} is {catalog.wal_level}, and nothing can be captured",
            f"set wal_level = logical in the server's configuration, restart the server, then `{REPAIR}`",
        )
    table = catalog.tables.get(captured.table)
    if table is None:
        said.add(
            Code.TABLE_MISSING,
            f"there is no table public.{captured.table} in {catalog.database}",
            f"create the table or name it so again, then `{REPAIR}`",
        )
    else:
        _judge_kind(said, captured, table)
        _judge_columns(said, captured, table)
        if table.replica_identity != "f":
            said.add(
                Code.REPLICA_IDENTITY,
                f"REPLICA IDENTITY of public.{captured.table} is not FULL:"
                " deletes and moves to another customer arrive without the old row",
            )
    _judge_watermarks(said, captured, catalog, partitions)
    _judge_publication(said, captured, catalog)
    judge_role(said, captured, catalog)
    judge_slot(said, captured, catalog, past_snapshot=past_snapshot)
    return said.findings


def judge_memory(captured: Captured, catalog: Catalog, memory: Memory | None) -> list[Finding]:
    """Whether what is captured is what the snapshot showed."""
    said = Said(captured.connector)
    if memory is None or (memory.identity is None and memory.due_because is None):
        said.add(
            Code.SNAPSHOT_NOT_RECORDED,
            f"what is captured of {catalog.database} is not written down, so a table or publication made anew cannot be told",
            "rewards connectors apply",
        )
        return said.findings
    if memory.due_because is not None:
        said.add(Code.SNAPSHOT_DUE, f"a new snapshot is due: {memory.due_because}")
    if memory.identity is not None:
        _judge_identity(said, captured, catalog, memory.identity)
    return said.findings


def _judge_identity(said: Said, captured: Captured, catalog: Catalog, known: Identity) -> None:
    table, publication = catalog.tables.get(captured.table), catalog.publication
    name = f"public.{captured.table}"
    if table is not None and table.oid != known.table:
        said.add(Code.TABLE_REPLACED, f"{name} is another table than the one that was captured: made anew, or swapped")
    elif table is not None:
        changed = [
            column
            for column, was in known.columns.items()
            if (now := table.columns.get(column)) is not None and (now.number, now.type) != was
        ]
        if changed:
            said.add(
                Code.COLUMN_CHANGED,
                f"columns of {name} were made anew or retyped since the snapshot: {', '.join(sorted(changed))}",
            )
    if publication is None:
        return
    entry = publication.tables.get(captured.table)
    if publication.oid != known.publication:
        said.add(Code.PUBLICATION_REPLACED, f"the publication {captured.publication} was made anew since the snapshot")
    elif publication.version != known.publication_version:
        said.add(Code.PUBLICATION_REPLACED, f"the publication {captured.publication} was altered since the snapshot")
    elif entry is not None and entry.oid != known.published and (table is None or table.oid == known.table):
        said.add(
            Code.PUBLICATION_REPLACED,
            f"{name} was out of the publication {captured.publication} for a time since the snapshot",
        )


def _judge_kind(said: Said, captured: Captured, table: Table) -> None:
    name = f"public.{captured.table}"
    if table.kind != "r":
        kind = KINDS.get(table.kind, f"of kind {table.kind}")
        said.add(
            Code.TABLE_KIND,
            f"{name} is {kind}, and only an ordinary table is captured under its own name",
            f"capture an ordinary table: give it the name {captured.table}, then `{REPAIR}`",
        )
    if table.is_partition:
        said.add(
            Code.TABLE_KIND,
            f"{name} is attached as a partition, so that rows are added and published under other names",
            f"ALTER TABLE its parent DETACH PARTITION {name}, then `{REPAIR}`",
        )
    if table.has_children:
        said.add(
            Code.TABLE_KIND,
            f"{name} has child tables: a snapshot shows their rows, and their changes come under other names",
            f"ALTER TABLE its children NO INHERIT {name}, then `{REPAIR}`",
        )
    if table.hides_rows:
        said.add(
            Code.TABLE_KIND,
            f"{name} has row level security, which hides rows from the connector's snapshot",
            f"ALTER ROLE of the connector BYPASSRLS, or ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, then `{REPAIR}`",
        )
    if table.persistence != "p":
        said.add(
            Code.TABLE_KIND,
            f"{name} is unlogged or temporary, so that its changes are never sent",
            f"ALTER TABLE {name} SET LOGGED, then `{REPAIR}`",
        )


def _judge_columns(said: Said, captured: Captured, table: Table) -> None:
    name = f"public.{captured.table}"
    for column, accepted in captured.columns.items():
        found = table.columns.get(column)
        if found is None:
            said.add(
                Code.COLUMN_MISSING,
                f"{name} has no column {column}",
                f"name or add the column again ({' or '.join(sorted(accepted))}), then `{REPAIR}`",
            )
        elif found.base not in accepted:
            said.add(
                Code.COLUMN_TYPE,
                f"column {column} of {name} is {found.type}, and {' or '.join(sorted(accepted))} is read",
                f"ALTER TABLE {name} ALTER COLUMN {column} TYPE {min(accepted)}, then `{REPAIR}`",
            )
        elif found.generated:
            said.add(
                Code.COLUMN_TYPE,
                f"column {column} of {name} is generated, and generated columns are not sent",
                f"ALTER TABLE {name} ALTER COLUMN {column} DROP EXPRESSION, then `{REPAIR}`",
            )


def _judge_watermarks(said: Said, captured: Captured, catalog: Catalog, partitions: int | None) -> None:
    table = catalog.tables.get(WATERMARKS)
    if table is None or not catalog.sequence:
        said.add(Code.WATERMARK_TABLE, f"{catalog.database} has no table {WATERMARKS} or no sequence {MARKS}")
        return
    if table.kind != "r" or table.is_partition or table.persistence != "p":
        said.add(
            Code.WATERMARK_TABLE,
            f"{WATERMARKS} in {catalog.database} is no ordinary, permanent table",
            f"DROP TABLE public.{WATERMARKS}, then `{REPAIR}`",
        )
    elif table.replica_identity != "f":
        said.add(Code.WATERMARK_TABLE, f"REPLICA IDENTITY of {WATERMARKS} in {catalog.database} is not FULL")
    if partitions is not None and catalog.watermarks != (wanted := frozenset(watermark_ids(partitions))):
        missing = len(wanted - catalog.watermarks)
        said.add(
            Code.WATERMARK_ROWS,
            f"{WATERMARKS} in {catalog.database} lacks the rows of {missing} of {partitions} partitions of {captured.topic}"
            if missing
            else f"{WATERMARKS} in {catalog.database} has rows that belong to no partition of {captured.topic}",
        )


def _judge_publication(said: Said, captured: Captured, catalog: Catalog) -> None:
    publication = catalog.publication
    if publication is None:
        said.add(Code.PUBLICATION_MISSING, f"there is no publication {captured.publication} in {catalog.database}")
        return
    name = f"the publication {captured.publication}"
    silent = [one for one in OPERATIONS if one not in publication.publishes]
    if silent or publication.via_root:
        what = f"does not publish {', '.join(silent)}" if silent else "publishes partitions under their root's name"
        said.add(Code.PUBLICATION_OPTIONS, f"{name} {what}")
    for table in captured.tables:
        if table in catalog.tables:
            _judge_published(said, captured, publication, table, catalog.tables[table])


def _judge_published(said: Said, captured: Captured, publication: Publication, name: str, table: Table) -> None:
    entry = publication.tables.get(name)
    if entry is None:
        code = Code.TABLE_NOT_PUBLISHED if name == captured.table else Code.WATERMARK_TABLE
        said.add(code, f"public.{name} is not in the publication {captured.publication}: its changes are not sent")
        return
    numbers = entry.column_numbers
    needed = captured.columns if name == captured.table else table.columns
    hidden = [
        column
        for column in needed
        if numbers is not None and column in table.columns and table.columns[column].number not in numbers
    ]
    if entry.filtered or hidden:
        code = Code.TABLE_FILTERED if name == captured.table else Code.WATERMARK_TABLE
        why = "filters its rows" if entry.filtered else f"hides its columns {', '.join(sorted(hidden))}"
        said.add(code, f"the publication {captured.publication} has public.{name}, but {why}")


KINDS: Final = {"v": "a view", "m": "a materialized view", "p": "partitioned", "f": "a foreign table"}
