"""What a batch's changes come to as statements with parameters. A leaf of sink.py: no connection, only shapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from streams.postgres import sql
from streams.postgres.rowtext import plain_array, text_array, timestamp
from streams.postgres.sql import Prepared
from streams.state.changeset import Changeset
from streams.state.progress import Progress
from streams.topics import INVOICES, MEMBERSHIPS

Step = tuple[Prepared, Sequence[object]]
"""A statement with its parameters."""
NOTIFY_CHANNEL = "points_changed"
_NOTIFY_BYTES_MAX = 7_500


def totals(changeset: Changeset) -> Iterator[Step]:
    """Yield what adds a batch's differences to the totals."""
    customers = [(*key, *deltas) for key, deltas in changeset.customer_deltas.items() if any(deltas)]
    if customers:
        names, companies, *figures = zip(*customers, strict=True)
        yield (
            sql.WRITE_CUSTOMER_POINTS,
            (text_array(names), text_array(companies), *map(plain_array, figures)),
        )
    groups = [(*key, *deltas) for key, deltas in changeset.group_deltas.items() if any(deltas)]
    if groups:
        numbers, companies, *figures = zip(*groups, strict=True)
        yield (
            sql.WRITE_GROUP_TOTALS,
            (plain_array(numbers), text_array(companies), *map(plain_array, figures)),
        )


def notification(changeset: Changeset) -> Iterator[Step]:
    """Yield what tells listeners which customers changed, where any did."""
    changed = {key[0] for key in changeset.customer_deltas} | {
        e.invoice.key.customer_master_id for e in changeset.entries
    }
    if changed:
        yield sql.NOTIFY, (NOTIFY_CHANNEL, notifications(changed))


def notifications(customers: Iterable[str]) -> list[str]:
    """Return payloads that name all customers, each a JSON list within Postgres' limit.

    A name that is too long for a payload of its own, escaped, is told as `*`: any customer may have changed.
    """
    payloads, names, size = [], list[str](), 2
    for customer in sorted(customers):
        name = orjson.dumps(customer).decode()
        length = len(name.encode()) + 1
        if length + 2 > _NOTIFY_BYTES_MAX:
            payloads.append("*")
            continue
        if size + length > _NOTIFY_BYTES_MAX:
            payloads.append(f"[{','.join(names)}]")
            names, size = [], 2
        names.append(name)
        size += length
    if names:
        payloads.append(f"[{','.join(names)}]")
    return payloads


def progress_columns(progress: Iterable[Progress], changeset: Changeset) -> list[list[Any]]:
    """Return the parameters of sql.WRITE_PROGRESS."""
    rows = []
    reloaded_ms = {INVOICES.name: changeset.reloaded_ms, MEMBERSHIPS.name: changeset.memberships_reloaded_ms}
    for p in progress:
        reloaded = reloaded_ms.get(p.topic, {}).get(p.partition)
        rows.append(
            (
                p.topic,
                p.partition,
                p.snapshot_lsn,
                p.snapshot_offset,
                p.snapshot_done,
                p.next_offset,
                p.last_transaction,
                p.mark,
                p.snapshot_lsn,
                p.mark_lsn,
                None if p.marked_ms is None else timestamp(p.marked_ms),
                None if reloaded is None else timestamp(reloaded),
                p.ignored_rows,
                orjson.dumps(p.bad_records).decode(),
                p.halted_reason,
            )
        )
    return columns(rows)


def columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return rows as columns: one array a parameter."""
    return [list(column) for column in zip(*rows, strict=True)]
