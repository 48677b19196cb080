"""What the feed remembers of the warehouse: a bounded part of its invoices, kept right by applying what is written.

A small model of the table, grouped as the product groups it. What it has forgotten stays as it is in the warehouse.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, TypeAlias

from connectors.feed.changes import Change, Delete, Insert, Row, is_bad, owed

InvoiceKey: TypeAlias = tuple[str | None, str, str, str | int]
"""Customer, company, system and description; the row's own id where it has no description."""

INVOICES_REMEMBERED: Final = 20_000


def invoice_key(row: Row) -> InvoiceKey:
    """Which invoice a row belongs to (program-terms.md, An invoice)."""
    document: str | int = row.transaction_id if row.transaction_description is None else row.transaction_description
    return (row.customer_master_id, row.company_abbreviation, row.system_name, document)


class Ledger:
    """Rows by invoice, with a uniform choice of invoices in constant time.

    Args:
        limit: the most invoices to remember; beyond it one after the other is forgotten.
    """

    def __init__(self, limit: int = INVOICES_REMEMBERED) -> None:
        self._limit = limit
        self._invoices: dict[InvoiceKey, dict[int, Row]] = {}
        self._keys: list[InvoiceKey] = []
        self._place: dict[InvoiceKey, int] = {}
        self._key_of: dict[int, InvoiceKey] = {}
        self._bad: dict[int, None] = {}
        self._next_to_forget = 0

    def __len__(self) -> int:
        return len(self._keys)

    def learn(self, rows: Iterable[Row]) -> None:
        """Remember rows that stand in the warehouse."""
        for row in rows:
            self._put(row)

    def apply(self, changes: Iterable[Change]) -> None:
        """Follow changes that are written. A change of a forgotten row changes nothing here."""
        for change in changes:
            if isinstance(change, Insert):
                self._put(change.row)
                continue
            row = self._take(change.transaction_id)
            if row is not None and not isinstance(change, Delete):
                self._put(row._replace(**change.values))

    def rows(self, key: InvoiceKey) -> list[Row]:
        """The invoice's rows that are not bad."""
        return [row for row in self._invoices[key].values() if row.transaction_id not in self._bad]

    def all_rows(self) -> list[Row]:
        """Every row that is remembered."""
        return [row for rows in self._invoices.values() for row in rows.values()]

    def open_amount(self, key: InvoiceKey) -> Decimal:
        """What is left to pay, in dollars, later dates included."""
        return sum((owed(row) for row in self.rows(key)), Decimal(0))

    def choose(
        self, chance: random.Random, suits: Callable[[InvoiceKey], bool], *, tries: int = 12
    ) -> InvoiceKey | None:
        """A random invoice that suits; None where a few tries find none."""
        for _ in range(tries if self._keys else 0):
            key = self._keys[int(chance.random() * len(self._keys))]
            if suits(key):
                return key
        return None

    def all(self, suits: Callable[[InvoiceKey], bool]) -> list[InvoiceKey]:
        """All invoices that suit: a look at each of them."""
        return [key for key in self._keys if suits(key)]

    def first_bad(self) -> Row | None:
        """The bad row that waits longest for its correction."""
        for transaction_id in self._bad:
            return self._invoices[self._key_of[transaction_id]][transaction_id]
        return None

    def _put(self, row: Row) -> None:
        self._take(row.transaction_id)
        key = invoice_key(row)
        if key not in self._invoices:
            if len(self._keys) >= self._limit:
                self._next_to_forget = (self._next_to_forget + 1) % len(self._keys)
                self._forget(self._keys[self._next_to_forget])
            self._place[key] = len(self._keys)
            self._keys.append(key)
            self._invoices[key] = {}
        self._invoices[key][row.transaction_id] = row
        self._key_of[row.transaction_id] = key
        if is_bad(row):
            self._bad[row.transaction_id] = None

    def _take(self, transaction_id: int) -> Row | None:
        key = self._key_of.pop(transaction_id, None)
        if key is None:
            return None
        self._bad.pop(transaction_id, None)
        row = self._invoices[key].pop(transaction_id)
        if not self._invoices[key]:
            self._forget(key)
        return row

    def _forget(self, key: InvoiceKey) -> None:
        for transaction_id in self._invoices.pop(key):
            del self._key_of[transaction_id]
            self._bad.pop(transaction_id, None)
        # The last key takes the freed place, so that the list stays without holes.
        place = self._place.pop(key)
        last = self._keys.pop()
        if last != key:
            self._keys[place] = last
            self._place[last] = place
