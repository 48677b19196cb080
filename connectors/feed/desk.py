"""What every change is drawn from: chance, the next ids, the customers, the business date and what is remembered."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from connectors.feed.catalog import SAMPLE_CUSTOMERS, SAMPLE_IDS, Branch, Customer
from connectors.feed.changes import Row
from connectors.feed.ledger import InvoiceKey, Ledger

NAMED_SHARE_OF_HISTORY: Final = 0.3
"""Of the invoices of a history, those of the named customers: their pages are looked at."""
NAMED_PART: Final = Decimal("0.25")
NAMED_SPREAD: Final = 0.5
"""Amounts of the named customers are a part of the usual ones and alike: no single invoice rules their balance."""
MOST_ROWS: Final = 30
"""An invoice with so many rows is left alone, so that none grows without an end."""
CENT: Final = Decimal("0.01")
LARGEST_AMOUNT: Final = Decimal("250000.00")


@dataclass(slots=True)
class Desk:
    """Everything that a change depends on, so that the same seed on the same table gives the same changes."""

    chance: random.Random
    take_id: Callable[[], int]
    customers: Sequence[Customer]
    ledger: Ledger
    today: dt.date
    """The business date."""

    def customer(self, *, named_share: float = 0) -> Customer:
        """A customer: one of the named ones with a probability, or where there are no others."""
        others = self.customers[len(SAMPLE_CUSTOMERS) :]
        return self.chance.choice(others) if others and self.chance.random() >= named_share else self.named_customer()

    def named_customer(self) -> Customer:
        """One of those whose pages the sample logins see."""
        return self.chance.choice(self.customers[: len(SAMPLE_CUSTOMERS)])

    def dollars(self, branch: Branch, customer: Customer) -> Decimal:
        """The amount of one line: lognormal, to the cent."""
        spread = NAMED_SPREAD if customer.is_named else branch.spread
        cents = round(branch.median_dollars * 100 * self.chance.lognormvariate(0, spread))
        amount = Decimal(cents) * CENT * (NAMED_PART if customer.is_named else 1)
        return min(max(amount.quantize(CENT), Decimal("1.00")), LARGEST_AMOUNT)

    def part(self, amount: Decimal, low: int, high: int) -> Decimal:
        """`low` to `high` per cent of an amount, to the cent."""
        return (amount * self.chance.randint(low, high) / 100).quantize(CENT)

    def days_ago(self, low: int, high: int) -> dt.date:
        """A date between `high` and `low` days before the business date; negative days lie ahead."""
        return self.today - dt.timedelta(days=self.chance.randint(low, high))

    def happens(self, probability: float) -> bool:
        """True with the given probability."""
        return self.chance.random() < probability

    def open_invoice(self) -> list[Row] | None:
        """The rows of an invoice that somebody, none of the named customers, still owes money for."""
        key = self.ledger.choose(self.chance, lambda key: self._is_open_to_all(key) and self._is_owed(key))
        return None if key is None else self.ledger.rows(key)

    def open_invoice_of(self, customer: Customer) -> list[Row] | None:
        """The rows of an invoice that a customer still owes money for."""
        keys = self.ledger.all(lambda key: key[0] == customer.master_id and self._is_owed(key))
        return self.ledger.rows(self.chance.choice(keys)) if keys else None

    def any_invoice(self, *, named: bool = True) -> list[Row] | None:
        """The good rows, one at least, of an invoice that may be corrected; `named`: one that has a description and a customer.

        The books of the customers whose pages are looked at are closed: what is paid there stays paid.
        """

        def suits(key: InvoiceKey) -> bool:
            return self._is_open_to_all(key) and self._is_modest(key) and (not named or _has_names(key))

        key = self.ledger.choose(self.chance, suits)
        return None if key is None else self.ledger.rows(key)

    def any_row(self) -> Row | None:
        """A good row of any invoice."""
        rows = self.any_invoice(named=False)
        return self.chance.choice(rows) if rows else None

    def _is_open_to_all(self, key: InvoiceKey) -> bool:
        """Whether any event may change the invoice: those of the named customers have events of their own."""
        return key[0] not in SAMPLE_IDS or len(self.customers) <= len(SAMPLE_CUSTOMERS)

    def _is_owed(self, key: InvoiceKey) -> bool:
        return self._is_modest(key) and self.ledger.open_amount(key) > 0

    def _is_modest(self, key: InvoiceKey) -> bool:
        return 0 < len(self.ledger.rows(key)) < MOST_ROWS


def _has_names(key: InvoiceKey) -> bool:
    return key[0] is not None and isinstance(key[3], str)
