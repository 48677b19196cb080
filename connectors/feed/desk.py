"""What every change is drawn from: chance, the next ids, the customers, the business date and what is remembered."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from connectors.feed.catalog import SAMPLE_CUSTOMERS, Branch, Customer
from connectors.feed.changes import Row
from connectors.feed.ledger import InvoiceKey, Ledger

SAMPLE_SHARE: Final = 0.1
"""Of new invoices, those of the named customers: their pages are looked at, so they shall move."""
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

    def customer(self) -> Customer:
        """Whose invoice comes next."""
        if self.chance.random() < SAMPLE_SHARE:
            return self.chance.choice(self.customers[: len(SAMPLE_CUSTOMERS)])
        return self.chance.choice(self.customers)

    def dollars(self, branch: Branch) -> Decimal:
        """The amount of one line: lognormal, to the cent."""
        cents = round(branch.median_dollars * 100 * self.chance.lognormvariate(0, branch.spread))
        return min(max(Decimal(cents) * CENT, Decimal("1.00")), LARGEST_AMOUNT)

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
        """The rows of an invoice that somebody still owes money for."""
        key = self.ledger.choose(self.chance, lambda key: self._is_modest(key) and self.ledger.open_amount(key) > 0)
        return None if key is None else self.ledger.rows(key)

    def any_invoice(self, *, named: bool = True) -> list[Row] | None:
        """The good rows, one at least, of any invoice; `named`: one that has a description and a customer."""

        def suits(key: InvoiceKey) -> bool:
            return self._is_modest(key) and (not named or (key[0] is not None and isinstance(key[3], str)))

        key = self.ledger.choose(self.chance, suits)
        return None if key is None else self.ledger.rows(key)

    def any_row(self) -> Row | None:
        """A good row of any invoice."""
        rows = self.any_invoice(named=False)
        return self.chance.choice(rows) if rows else None

    def _is_modest(self, key: InvoiceKey) -> bool:
        return 0 < len(self.ledger.rows(key)) < MOST_ROWS
