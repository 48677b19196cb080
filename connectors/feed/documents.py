"""New rows: invoices, payments, bounced payments, credits, released retainage. Pure: from the desk to a transaction."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_UP, Decimal
from typing import Final, TypeAlias

from connectors.feed.catalog import (
    BISTRACK,
    BRANCH_WEIGHTS,
    BRANCHES,
    COMMAND,
    COMPANIES,
    ITEMS,
    VISTA,
    Branch,
    Customer,
)
from connectors.feed.changes import Insert, Row, Transaction, owed
from connectors.feed.desk import CENT, NAMED_SHARE_OF_HISTORY, Desk

LINE_COUNTS: Final = (1, 2, 3, 4, 5, 6, 9)
LINE_COUNT_WEIGHTS: Final = (34, 26, 16, 10, 7, 5, 2)
HISTORY_DAYS: Final = 240
AGES_IN_DAYS: Final = ((0, 2), (3, 35), (36, HISTORY_DAYS), (-21, -1))
AGE_WEIGHTS: Final = (70, 20, 6, 4)

Habit: TypeAlias = tuple[tuple[int, int, int], ...]
"""How an invoice gets paid: per cent of what was billed (negative: bounced), first and last day after its date."""
HABITS: Final[tuple[tuple[int, Habit], ...]] = (
    (72, ((100, 0, 28),)),
    (8, ((100, 50, 150),)),
    (2, ((35, 5, 60),)),
    (4, ((70, 5, 60),)),
    (6, ((40, 5, 15), (60, 16, 28))),
    (2, ((100, 5, 15), (-100, 16, 22), (100, 23, 90))),
    (1, ((100, 5, 15), (-100, 16, 22))),
    (5, ()),
)

NAMED_HABITS: Final[tuple[tuple[int, Habit], ...]] = (
    (86, ((100, 0, 28),)),
    (8, ((40, 5, 15), (60, 16, 28))),
    (3, ((100, 50, 90),)),
    (2, ((100, 5, 15), (-100, 16, 22), (100, 23, 28))),
    (1, ()),
)
"""The named customers pay nearly always, and nearly always in time."""


def new_invoice(desk: Desk) -> Transaction:
    """An invoice of one or several lines, mostly of today; some late in coming, some of a day ahead."""
    dated = desk.days_ago(*desk.chance.choices(AGES_IN_DAYS, AGE_WEIGHTS)[0])
    return [Insert(row) for row in invoice_rows(desk, desk.customer(), dated)]


def business_of_a_named_customer(desk: Desk) -> Transaction:
    """A named customer pays an invoice, or buys something new: its balance moves as a business' does."""
    customer = desk.named_customer()
    owed_for = desk.open_invoice_of(customer) if desk.happens(0.5) else None
    if owed_for is None:
        return [Insert(row) for row in invoice_rows(desk, customer, desk.today)]
    return _payment_of(desk, owed_for, 100, 100)


def invoice_rows(desk: Desk, customer: Customer, dated: dt.date) -> list[Row]:
    """The lines of a new invoice, with the gaps that real tables have (no description, no customer, neither type)."""
    branch = desk.chance.choices(BRANCHES, BRANCH_WEIGHTS)[0]
    first_id = desk.take_id()
    document = _document(desk, branch, first_id)
    due = None if desk.happens(0.03) else _due(desk, dated)
    contract = f"{branch.company}-{dated:%y}-{desk.chance.randint(100, 160)}" if branch.system == VISTA else None
    withheld = branch.product_lines[0] == "Construction" and desk.happens(0.45)
    ownerless = desk.happens(0.02)
    rows: list[Row] = []
    for line in range(1, desk.chance.choices(LINE_COUNTS, LINE_COUNT_WEIGHTS)[0] + 1):
        amount = desk.dollars(branch, customer)
        rows.append(
            Row(
                transaction_id=first_id if line == 1 else desk.take_id(),
                transaction_date=dated,
                # Neither type: a remark or a subtotal that the source system keeps among the lines.
                transaction_type_rewards_invoice=not desk.happens(0.01),
                transaction_type_rewards_payment=False,
                transaction_line_number=line,
                transaction_contract=contract,
                transaction_description=None if desk.happens(0.01) else document,
                transaction_amount=amount,
                transaction_original_amount=amount,
                transaction_retainage=desk.part(amount, 5, 10) if withheld else Decimal("0.00"),
                transaction_due_date=due,
                customer_id=customer.number_in(branch.system),
                customer_name=_name_in(branch.system, customer),
                customer_master_id=None if ownerless else customer.master_id,
                company_abbreviation=branch.company,
                name=COMPANIES[branch.company],
                system_name=branch.system,
                product_line_name=desk.chance.choice(branch.product_lines),
            )
        )
    return rows


def payment_in_full(desk: Desk) -> Transaction:
    """Everything that is open, paid today; late where the invoice is old. Some arrive days after their date."""
    return _payment(desk, 100, 100)


def payment_in_part(desk: Desk) -> Transaction:
    """A part of what is open: on either side of the half that keeps a penalty away."""
    return _payment(desk, 20, 90)


def _payment(desk: Desk, low: int, high: int) -> Transaction:
    rows = desk.open_invoice()
    return [] if rows is None else _payment_of(desk, rows, low, high)


def _payment_of(desk: Desk, rows: list[Row], low: int, high: int) -> Transaction:
    amount = desk.part(sum((owed(row) for row in rows), Decimal(0)), low, high)
    dated = desk.days_ago(0, 45) if desk.happens(0.12) else desk.days_ago(0, 1)
    return [Insert(_payment_row(desk, rows[0], -amount, max(dated, rows[0].transaction_date)))]


def payment_on_account(desk: Desk) -> Transaction:
    """A payment that names no invoice: an invoice of its own, worth nothing."""
    rows = desk.open_invoice()
    if rows is None:
        return []
    amount = desk.part(owed(rows[0]), 50, 100)
    return [Insert(_payment_row(desk, rows[0], -amount, desk.today)._replace(transaction_description=None))]


def bounced_payment(desk: Desk) -> Transaction:
    """A cheque that comes back: the payment's amount is owed again."""
    rows = desk.any_invoice()
    payments = [row for row in rows or () if row.transaction_type_rewards_payment and owed(row) < 0]
    if not payments:
        return []
    payment = desk.chance.choice(payments)
    dated = max(payment.transaction_date, desk.days_ago(0, 5))
    return [Insert(_payment_row(desk, payment, -owed(payment), dated))]


def credit(desk: Desk) -> Transaction:
    """Goods that come back: a line's mirror, or a part of it."""
    rows = desk.any_invoice()
    charges = [row for row in rows or () if row.transaction_type_rewards_invoice and owed(row) > 0]
    if not charges:
        return []
    line = desk.chance.choice(charges)
    amount = owed(line) if desk.happens(0.4) else desk.part(owed(line), 5, 60)
    returned = line._replace(
        transaction_id=desk.take_id(),
        transaction_date=max(line.transaction_date, desk.days_ago(0, 10)),
        transaction_amount=-amount,
        transaction_original_amount=-amount,
        transaction_retainage=Decimal("0.00"),
    )
    return [Insert(returned)]


def retainage_release(desk: Desk) -> Transaction:
    """What was withheld is billed, as a document of its own."""
    rows = desk.any_invoice() or []
    withheld = sum((row.transaction_retainage or Decimal(0) for row in rows), Decimal(0))
    if withheld <= 0 or rows[0].transaction_description is None:
        return []
    released = rows[0]._replace(
        transaction_id=desk.take_id(),
        transaction_date=desk.today,
        transaction_type_rewards_invoice=True,
        transaction_type_rewards_payment=False,
        transaction_line_number=1,
        transaction_description=f"{rows[0].transaction_description}-RET",
        transaction_amount=withheld,
        transaction_original_amount=withheld,
        transaction_retainage=Decimal("0.00"),
        transaction_due_date=_due(desk, desk.today),
    )
    return [Insert(released)]


def history(desk: Desk) -> list[Row]:
    """An invoice of the last eight months with what has become of it by today: paid, late, in part, bounced, or not."""
    dated = desk.days_ago(-10, HISTORY_DAYS)
    customer = desk.customer(named_share=NAMED_SHARE_OF_HISTORY)
    rows = invoice_rows(desk, customer, dated)
    billed = left = sum((owed(row) for row in rows), Decimal(0))
    habits = NAMED_HABITS if customer.is_named else HABITS
    (habit,) = desk.chance.choices([habit for _, habit in habits], [weight for weight, _ in habits])
    for per_cent, earliest, latest in habit:
        paid_on = dated + dt.timedelta(days=desk.chance.randint(earliest, latest))
        if paid_on > desk.today or billed <= 0:
            break
        # The last payment takes what rounding has left over.
        amount = min(left, (billed * per_cent / 100).quantize(CENT, ROUND_UP))
        left -= amount
        rows.append(_payment_row(desk, rows[0], -amount, paid_on))
    return rows


def _payment_row(desk: Desk, like: Row, amount: Decimal, dated: dt.date) -> Row:
    """A payment (negative) or its return (positive) on the invoice of a row."""
    return like._replace(
        transaction_id=desk.take_id(),
        transaction_date=dated,
        transaction_type_rewards_invoice=False,
        transaction_type_rewards_payment=True,
        transaction_line_number=None,
        transaction_amount=amount,
        transaction_original_amount=None,
        transaction_retainage=Decimal("0.00"),
        transaction_due_date=None,
    )


def _document(desk: Desk, branch: Branch, first_id: int) -> str:
    """What the system writes into `transaction_description`; the first row's id makes it unique."""
    if branch.system == COMMAND:
        return f"{desk.chance.choice(ITEMS[desk.chance.choice(branch.product_lines)])}/{first_id}"
    if branch.system == VISTA:
        return f"INV-{branch.company}-{first_id:07d}"
    return f"{first_id:08d}"


def _due(desk: Desk, dated: dt.date) -> dt.date:
    """Most are due on the tenth of the next month, the rest 30 days after their date."""
    if desk.happens(0.6):
        return (dated.replace(day=1) + dt.timedelta(days=32)).replace(day=10)
    return dated + dt.timedelta(days=30)


def _name_in(system: str, customer: Customer) -> str:
    """Each system spells the customer in its own way."""
    return {BISTRACK: customer.name, COMMAND: f"{customer.name} (ready mix)", VISTA: customer.name.upper()}[system]
