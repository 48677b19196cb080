"""What travels and what is stored: keys, ids and the shapes of rows, one definition for all.

Place on the data's way: decode.py makes these from change events, fold.py works on them, postgres/ and agents/ store and forward
them. Knows nothing of clients or connections.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson
from aiokafka.partitioner import murmur2

from streams.calculator.facts import InvoiceRow
from streams.topics import PARTITIONS


class Position(NamedTuple):
    """Where in its source a row was last set; compared per row, never across rows of different transactions.

    `generation` is the LSN of the snapshot that the partition was in or after, `lsn` the change's own (0 in a snapshot): what a
    transaction did that the snapshot did not see comes after the snapshot, whatever its LSN.
    """

    generation: int
    lsn: int


class InvoiceKey(NamedTuple):
    """An invoice: the rows with the same four columns; a row without a description is an invoice of its own."""

    customer_master_id: str
    company: str
    system_name: str
    document: str | None
    transaction_id: int | None
    """Only where there is no document."""


InvoiceId = str
"""A UUID in its usual text: Postgres keeps it as uuid, and Python compares and hashes text faster than its own UUIDs."""


def invoice_id(key: InvoiceKey) -> InvoiceId:
    """128 bits of BLAKE2b over the key as compact JSON: the same for every writer and for ever (a test holds it)."""
    digits = blake2b(orjson.dumps(list(key)), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class StoredRow(NamedTuple):
    """What is known of one warehouse row: its position, and its facts unless it is gone, bad or of no type that counts."""

    position: Position
    facts: InvoiceRow | None


def customer_key(customer_master_id: str) -> bytes:
    """The key of every record of a customer, byte for byte as Kafka Connect writes it."""
    return compact(orjson.dumps({"customer_master_id": customer_master_id}))


def compact(dumped: bytes) -> bytes:
    """Bytes that are kept: orjson's own hold on to the 4 KB that they were written into."""
    return dumped.decode().encode()


@lru_cache(maxsize=65_536)
def partition_of(customer_master_id: str) -> int:
    """Kafka's default partitioner over `customer_key`."""
    return partition_of_key(customer_key(customer_master_id))


def partition_of_key(key: bytes) -> int:
    """As Kafka's default partitioner: murmur2 of the key's bytes, without the sign, modulo the partitions."""
    return int((murmur2(key) & 0x7FFFFFFF) % PARTITIONS)


def dump_rows(rows: dict[int, StoredRow]) -> str:
    """Rows as they stand in `invoices.rows`: transaction_id -> [generation, lsn] and, unless retired, the facts."""
    return orjson.dumps({str(number): _dump_row(row) for number, row in rows.items()}).decode()


def load_rows(stored: str) -> dict[int, StoredRow]:
    """The inverse of `dump_rows`."""
    return {int(number): _load_row(int(number), values) for number, values in orjson.loads(stored).items()}


def _dump_row(row: StoredRow) -> list[Any]:
    facts = row.facts
    if facts is None:
        return [*row.position]
    return [
        *row.position,
        facts.is_payment,
        facts.on,
        str(facts.amount),
        str(facts.retainage) if facts.retainage else None,
        facts.due_on,
        facts.product_line,
    ]


def _load_row(number: int, values: list[Any]) -> StoredRow:
    position = Position(values[0], values[1])
    if len(values) == 2:  # noqa: PLR2004 -- a position alone: retired
        return StoredRow(position, None)
    _, _, is_payment, on, amount, retainage, due_on, product_line = values
    return StoredRow(
        position,
        InvoiceRow(
            number,
            is_payment,
            _date(on),
            Decimal(amount),
            Decimal(retainage) if retainage else NO_RETAINAGE,
            _date(due_on) if due_on else None,
            product_line,
        ),
    )


NO_RETAINAGE: Final = Decimal(0)


@lru_cache(maxsize=16_384)
def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


class DueInvoice(NamedTuple):
    """Value of a record on `rewards.due-invoices`: evaluate this invoice (or, without one, this customer's membership) again."""

    customer_master_id: str
    invoice_id: InvoiceId | None
    cause: str
    """For the log: `day 2026-05-02`, `reload at 0/1A2B3C4`, …"""

    def dump(self) -> bytes:
        """As JSON, with the key's column first, like every record of ours."""
        return orjson.dumps(
            {"customer_master_id": self.customer_master_id, "invoice_id": self.invoice_id, "cause": self.cause}
        )

    @classmethod
    def load(cls, value: bytes) -> DueInvoice:
        """Raises: KeyError, ValueError, TypeError on anything but what `dump` writes."""
        fields = orjson.loads(value)
        return cls(fields["customer_master_id"], fields["invoice_id"], fields["cause"])


def lsn_text(lsn: int) -> str:
    """An LSN as Postgres writes it: 0/1A2B3C4."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
