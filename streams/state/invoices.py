"""What is known of an invoice: its key, its rows with their positions, and what it is worth. Pure.

Place on the data's way: source/ makes keys and facts from change events, fold.py merges them, postgres/ stores and reads them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Self

import orjson

from streams.calculator.facts import InvoiceRow
from streams.calculator.points import NOTHING, Worth
from streams.state.causes import Cause
from streams.state.positions import Position


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


@dataclass(slots=True)
class InvoiceState:
    """What is known of an invoice and what it is worth: a row of `invoices`."""

    key: InvoiceKey
    id: InvoiceId
    partition: int
    rows: dict[int, StoredRow]
    revision: int = 0
    awaiting: Cause | None = None
    """Why it must still be evaluated, while that has to wait."""
    as_of: dt.date = dt.date.min
    terms_id: int | None = None
    """Under which version of the terms it was evaluated; None where that was not recorded."""
    worth: Worth = NOTHING
    oldest: Position | None = None
    """The least position among the rows that count; whoever changes the rows says so by `look_for_oldest`."""

    def copy(self) -> Self:
        """Return the next revision, to be changed freely."""
        return type(self)(
            self.key,
            self.id,
            self.partition,
            self.rows.copy(),
            self.revision + 1,
            self.awaiting,
            self.as_of,
            self.terms_id,
            self.worth,
            self.oldest,
        )

    def look_for_oldest(self) -> Position | None:
        """Set `oldest` anew, and return it."""
        self.oldest = min([row.position for row in self.rows.values() if row.facts is not None], default=None)
        return self.oldest


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
