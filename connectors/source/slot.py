"""PURE: judges what a connector reads with: the role that it logs in as, and its replication slot."""

from __future__ import annotations

from typing import Final

from connectors.source.captured import WATERMARKS, Captured
from connectors.source.catalog import Catalog
from connectors.source.findings import REPAIR, Code, Said, Severity

SLOT_BEHIND_MAX_BYTES: Final = 8 * 2**30
"""A night's reload of the whole table is less; a connector that is so far behind comes no nearer."""


def judge_role(said: Said, captured: Captured, catalog: Catalog) -> None:
    """Whether the connector's role may read what is captured and write the watermarks."""
    role = catalog.role
    if role is None:
        said.add(
            Code.ROLE_MISSING,
            f"the role that the connector {captured.connector} logs in as does not exist, or has another name",
            "create it with LOGIN REPLICATION, or name it in REWARDS_CAPTURE_WAREHOUSE_USER and …_MEMBERSHIPS_USER",
        )
        return
    if not role.may_replicate:
        said.add(
            Code.ROLE_MISSING,
            f"the role of the connector {captured.connector} may not log in, replicate, or use {catalog.database}",
            "as a superuser: ALTER ROLE … LOGIN REPLICATION; GRANT CONNECT ON DATABASE …; GRANT USAGE ON SCHEMA public",
        )
    closed = [name for name in captured.tables if name in catalog.tables and not catalog.tables[name].readable]
    marks = catalog.tables.get(WATERMARKS)
    if closed or (marks is not None and catalog.sequence and not (marks.updatable and role.may_mark)):
        what = f"read {', '.join(closed)}" if closed else f"write {WATERMARKS}"
        said.add(
            Code.ROLE_RIGHTS, f"the role of the connector {captured.connector} may not {what} in {catalog.database}"
        )


def judge_slot(said: Said, captured: Captured, catalog: Catalog, *, past_snapshot: bool | None) -> None:
    """Whether the slot still has what the connector needs, and the connector reads it."""
    slot, name = catalog.slot, f"the replication slot {captured.slot}"
    if slot is None:
        # Before its snapshot the connector makes the slot itself.
        if past_snapshot is not False:
            said.add(Code.SLOT_MISSING, f"{name} does not exist: what changed since it was dropped is lost")
    elif slot.database != catalog.database:
        said.add(
            Code.SLOT_FOREIGN,
            f"{name} belongs to the database {slot.database}, not to {catalog.database}",
            f"drop it there with pg_drop_replication_slot('{captured.slot}') if nobody needs it, then `{REPAIR}`",
        )
    elif slot.wal_status == "lost" or slot.invalidation_reason or slot.plugin != captured.plugin:
        why = slot.invalidation_reason or (
            "its WAL was removed" if slot.wal_status == "lost" else f"its plugin is {slot.plugin}"
        )
        said.add(Code.SLOT_LOST, f"{name} can no longer be read from ({why}): what changed since is lost")
    elif not slot.active:
        if past_snapshot is False:
            said.add(
                Code.SNAPSHOT_RUNNING,
                f"the connector {captured.connector} is taking a snapshot",
                "wait",
                Severity.WARNING,
            )
        else:
            said.add(Code.SLOT_INACTIVE, f"nobody reads {name}: no change arrives")
    elif slot.wal_status == "unreserved" or (slot.behind_bytes or 0) > SLOT_BEHIND_MAX_BYTES:
        said.add(
            Code.SLOT_BEHIND,
            f"{name} is {(slot.behind_bytes or 0) / 2**20:,.0f} MiB of WAL behind"
            + (", and the server is about to remove what it still needs" if slot.wal_status == "unreserved" else ""),
        )
