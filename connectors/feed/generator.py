"""One transaction after the other, as an ERP would commit them. Pure: a seed and a table decide the changes."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from connectors.feed import corrections, documents
from connectors.feed.catalog import Customer
from connectors.feed.changes import Row, Transaction
from connectors.feed.desk import Desk
from connectors.feed.ledger import Ledger

EVENTS: Final[tuple[tuple[int, Callable[[Desk], Transaction]], ...]] = (
    (260, documents.new_invoice),
    (2, documents.business_of_a_named_customer),
    (180, documents.payment_in_full),
    (70, documents.payment_in_part),
    (10, documents.payment_on_account),
    (30, documents.bounced_payment),
    (40, documents.credit),
    (20, documents.retainage_release),
    (60, corrections.amount_corrected),
    (15, corrections.retainage_corrected),
    (40, corrections.date_corrected),
    (40, corrections.due_date_corrected),
    (30, corrections.product_line_corrected),
    (15, corrections.type_corrected),
    (40, corrections.texts_corrected),
    (30, corrections.row_moved_to_another_invoice),
    (10, corrections.invoice_renumbered),
    (12, corrections.company_corrected),
    (6, corrections.system_corrected),
    (15, corrections.primary_key_changed),
    (25, corrections.invoice_moved_to_another_customer),
    (10, corrections.customer_lost),
    (14, corrections.customer_found),
    (40, corrections.row_deleted),
    (15, corrections.invoice_deleted),
)
"""What happens, and how often, of about a thousand."""

REPAIR_PROBABILITY: Final = 0.05
"""While a bad row waits: that it is corrected next."""


class Generator:
    """Draws transactions and remembers what they do.

    Args:
        take_id: gives the next free `transaction_id`.
        bad_share: of the changes, those that make their row bad, 0 to 1.
    """

    def __init__(
        self, *, seed: int, customers: Sequence[Customer], take_id: Callable[[], int], ledger: Ledger, bad_share: float
    ) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - sample data, repeatable on purpose
        self._customers = customers
        self._take_id = take_id
        self._ledger = ledger
        self._bad_share = bad_share
        self._weights = [weight for weight, _ in EVENTS]
        self._events = [event for _, event in EVENTS]

    def history(self, rows: int, today: dt.date) -> Iterator[list[Row]]:
        """The rows of an empty warehouse, invoice by invoice, `rows` in all."""
        desk = self._desk(today)
        left = rows
        while left > 0:
            invoice = documents.history(desk)[:left]
            left -= len(invoice)
            self._ledger.learn(invoice)
            yield invoice

    def transaction(self, today: dt.date, most: int | None = None) -> Transaction:
        """The next changes that are committed together: one at least, `most` at most."""
        desk = self._desk(today)
        changes = self._drawn(desk)[:most]
        changes = [corrections.spoilt(desk, change) if desk.happens(self._bad_share) else change for change in changes]
        self._ledger.apply(changes)
        return changes

    def _drawn(self, desk: Desk) -> Transaction:
        if self._ledger.first_bad() is not None and desk.happens(REPAIR_PROBABILITY):
            return corrections.repaired(desk)
        while True:
            # Most events need an invoice that suits; a new invoice never fails, so this ends.
            changes = self._chance.choices(self._events, self._weights)[0](desk)
            if changes:
                return changes

    def _desk(self, today: dt.date) -> Desk:
        return Desk(self._chance, self._take_id, self._customers, self._ledger, today)
