"""Decoding alone: today's beside ways with msgspec that skip what nobody reads. `python -m bench.decode` prints µs of CPU a record.

The records are Debezium's own (tests/contract/records), with all columns and with those that are captured since ADR 14. msgspec is no
dependency (ADR 23 says why): `pip install msgspec` first. `checked` are sketches that take good rows alone: an upper bound of what a
second way of reading rows could save, one by msgspec's types and one by the same code over orjson.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import orjson

from connectors.registration import deployed
from streams.source import envelope as today
from streams.source.columns import UNAVAILABLE, _date_of
from streams.source.decode import read_invoice_event
from streams.source.records import ChangeEvent
from streams.source.rows import TEXT_BYTES_MAX, WarehouseRow, is_counted, row_change
from streams.state.changes import RowChange

FOLDER = Path(__file__).parent.parent / "tests" / "contract" / "records"
KINDS = ("create", "update", "delete", "move_customer", "replace_in_one_transaction", "snapshot", "copy_one_lsn")
RUNS, SECONDS = 9, 0.3


class Source(msgspec.Struct):
    lsn: int
    name: str
    table: str
    ts_ms: int
    snapshot: str | None = None
    txId: int | None = None  # noqa: N815 -- Debezium's name
    sequence: str | None = None


class Counted(msgspec.Struct):
    total_order: int


class Row(msgspec.Struct):
    """What is read of a row; one that lacks a column is an error here, and would be read again by today's code."""

    transaction_id: int
    transaction_date: int | None
    transaction_type_rewards_invoice: bool | None
    transaction_type_rewards_payment: bool | None
    transaction_description: str | None
    transaction_amount: str | None
    transaction_retainage: str | None
    transaction_due_date: int | None
    customer_master_id: str | None
    company_abbreviation: str | None
    system_name: str | None
    product_line_name: str | None


class Envelope(msgspec.Struct):
    source: Source
    op: str
    before: Row | None = None
    after: Row | None = None
    transaction: Counted | None = None


class Columns(msgspec.Struct):
    """The envelope alone: rows as they are, so that the code that reads them stays."""

    source: Source
    op: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    transaction: Counted | None = None


READ = Row.__struct_fields__
typed = msgspec.json.Decoder(Envelope).decode


def checked_by_types(value: bytes) -> ChangeEvent:
    found = typed(value)
    source = {name: getattr(found.source, name) for name in Source.__struct_fields__}
    counted = None if found.transaction is None else {"total_order": found.transaction.total_order}
    event = today._event(source, counted)  # noqa: SLF001 -- what is measured beside it
    _take(event, found.op, _change_of(found.before), _change_of(found.after))
    return event


def _change_of(row: Row | None) -> RowChange | None:
    return None if row is None else _change(*(getattr(row, name) for name in READ))


def checked_over_orjson(value: bytes) -> ChangeEvent:
    found = orjson.loads(value)
    event = today._event(found["source"], found.get("transaction"))  # noqa: SLF001 -- what is measured beside it
    before, after = ((row and _change(*(row[name] for name in READ))) for row in (found["before"], found["after"]))
    _take(event, found["op"], before, after)
    return event


def _take(event: ChangeEvent, op: str, gone: RowChange | None, now: RowChange | None) -> None:
    if op in "ud" and gone and (not now or now[:2] != gone[:2]):
        event.rows.append(gone)
    if now:
        event.rows.append(now)


def _change(
    number: int, day: int | None, is_invoice: bool | None, is_payment: bool | None, description: str | None,
    amount: str | None, retainage: str | None, due: int | None, *texts: str | None,
) -> RowChange | None:  # fmt: skip
    if not is_counted(is_invoice=is_invoice, is_payment=is_payment):
        return None
    for text in (description, *texts):
        if text is not None and (len(text) * 4 > TEXT_BYTES_MAX or "\0" in text or text == UNAVAILABLE):
            raise ValueError(text)
    customer, company, system, line = texts
    row = WarehouseRow(
        number,
        bool(is_payment),
        None if day is None else _date_of(day),
        None if amount is None else Decimal(amount),
        None if retainage is None else Decimal(retainage),
        None if due is None else _date_of(due),
        customer,
        company,
        system,
        description,
        line,
    )
    return row_change(row)


def corpus(*, captured: bool) -> list[bytes]:
    """Good records of the warehouse's table; with `captured` only the columns that are captured today."""
    names = {name.rpartition(".")[2] for name in deployed()[0].configuration["column.include.list"].split(",")}
    found = []
    for kind in KINDS:
        for line in (FOLDER / f"{kind}.json").read_text(encoding="utf-8").splitlines():
            value = json.loads(line)["value"]
            for version in ("before", "after") if captured and value else ():
                if value[version]:
                    value[version] = {name: cell for name, cell in value[version].items() if name in names}
            text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
            event = read_invoice_event(text) if value else None
            if event is not None and event.error is None:
                found.append(text)
    return found


def measured(read: Callable[[bytes], Any], values: list[bytes]) -> float:
    """The median of a few runs, in µs of CPU a record."""
    runs = []
    for _ in range(RUNS):
        count, began = 0, time.process_time()
        while (spent := time.process_time() - began) < SECONDS:
            for value in values:
                read(value)
            count += len(values)
        runs.append(spent / count * 1e6)
    return statistics.median(runs)


def main() -> None:
    ways = {
        "orjson.loads": orjson.loads,
        "msgspec without types": msgspec.json.Decoder().decode,
        "msgspec, envelope typed, rows as dicts": msgspec.json.Decoder(Columns).decode,
        "msgspec, all typed": typed,
        "read_invoice_event (today: orjson, every rule and error)": read_invoice_event,
        "checked over orjson (good rows alone)": checked_over_orjson,
        "checked by msgspec's types (good rows alone)": checked_by_types,
    }
    for title, captured in (("all columns", False), ("the captured columns", True)):
        values = corpus(captured=captured)
        print(f"{title}: {len(values)} records of {sum(map(len, values)) / len(values):.0f} bytes")
        for name, read in ways.items():
            print(f"  {measured(read, values):6.2f} µs  {name}")


if __name__ == "__main__":
    main()
