"""Makes change events as Debezium writes them, from a table that is changed by SQL-like calls. For tests without a stack."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson

EPOCH = dt.date(1970, 1, 1)


def days(date: dt.date | None) -> int | None:
    return None if date is None else (date - EPOCH).days


def invoice_row(number: int, **columns: Any) -> dict[str, Any]:
    """A row of invoice_transactions as it stands in `before` and `after`."""
    row = {
        "transaction_id": number,
        "transaction_date": days(dt.date(2026, 3, 2)),
        "transaction_type_rewards_invoice": True,
        "transaction_type_rewards_payment": False,
        "transaction_line_number": None,
        "transaction_contract": None,
        "transaction_description": "D-1",
        "transaction_amount": "100.00",
        "transaction_original_amount": None,
        "transaction_retainage": "0.00",
        "transaction_due_date": None,
        "customer_id": "C-1",
        "customer_name": "Wasatch Framing",
        "customer_master_id": "M-1001",
        "company_abbreviation": "SBM",
        "name": "Sunroc Building Materials, Inc.",
        "system_name": "BisTrack",
        "product_line_name": "Lumber",
        "updated_date": "2026-03-02T10:00:00.000000Z",
    }
    for name, value in columns.items():
        row[name] = days(value) if isinstance(value, dt.date) else value
    return row


@dataclass
class Source:
    """A captured table: keeps its rows, and the change events that its changes give, in order."""

    name: str = "warehouse"
    table: str = "invoice_transactions"
    primary_key: str = "transaction_id"
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[str | None, bytes | None]] = field(default_factory=list)
    """(customer_master_id of the key, value)."""
    lsn: int = 1_000
    transaction: int = 700
    last_commit_lsn: int = 1_000

    def begin(self) -> None:
        self.transaction += 1
        self.last_commit_lsn = self.lsn
        self.lsn += 100

    def insert(self, row: dict[str, Any]) -> None:
        self.rows[row[self.primary_key]] = row
        self._emit("c", None, row)

    def update(self, number: int, **columns: Any) -> None:
        before = self.rows.pop(number)
        after = before | {name: days(value) if isinstance(value, dt.date) else value for name, value in columns.items()}
        self.rows[after[self.primary_key]] = after
        if before["customer_master_id"] == after["customer_master_id"]:
            self._emit("u", before, after)
        else:
            self.lsn += 8
            self._append(before["customer_master_id"], "d", before, None)
            self.events.append((before["customer_master_id"], None))
            self._append(after["customer_master_id"], "c", None, after)

    def delete(self, number: int) -> None:
        before = self.rows.pop(number)
        self._emit("d", before, None)
        self.events.append((before["customer_master_id"], None))

    def truncate(self) -> None:
        self.rows.clear()
        self._emit("t", None, None)

    def snapshot(self) -> None:
        self.lsn += 100
        for row in self.rows.values():
            self._append(row["customer_master_id"], "r", None, row, snapshot="true")

    def watermark(self, customer: str, mark: int, *, snapshot: bool = False) -> None:
        if not snapshot:
            self.lsn += 8
        row = {"customer_master_id": customer, "mark": mark, "marked_at": "2026-03-02T10:00:00.000000Z"}
        self._append(
            customer,
            "r" if snapshot else "u",
            None,
            row,
            table="rewards_watermarks",
            snapshot="true" if snapshot else "false",
        )

    def _emit(self, op: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        self.lsn += 8
        self._append((after or before or {}).get("customer_master_id"), op, before, after)

    def _append(
        self,
        customer: str | None,
        op: str,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        *,
        table: str | None = None,
        snapshot: str = "false",
    ) -> None:
        source = {
            "version": "3.5.0.Final",
            "connector": "postgresql",
            "name": self.name,
            "ts_ms": 1_770_000_000_000 + 1_000 * self.transaction,
            "snapshot": snapshot,
            "db": self.name,
            "schema": "public",
            "table": table or self.table,
            "txId": self.transaction,
            "lsn": self.lsn,
            "sequence": f'["{self.last_commit_lsn}","{self.lsn}"]',
        }
        self.events.append(
            (customer, orjson.dumps({"before": before, "after": after, "source": source, "op": op, "ts_ms": 0}))
        )


def record(offset: int, value: bytes | None, customer: str | None = "M-1001") -> SimpleNamespace:
    """A consumer record, as much of it as decoding looks at."""
    return SimpleNamespace(offset=offset, key=orjson.dumps({"customer_master_id": customer}), value=value)
