"""One question: which invoices of a customer are not settled, and what can still come of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from streams.postgres.models import Invoice


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An invoice that is not settled. Money in dollars, points as integers (`at_risk` negative or 0)."""

    company: str
    document: str | None
    billed: Decimal
    paid: Decimal
    open: Decimal
    due_on: dt.date | None
    deadline_on: dt.date | None
    pending: int
    at_risk: int
    at_risk_on: dt.date | None


def open_invoices(session: Session, customer_master_id: str, *, limit: int = 500) -> list[OpenInvoice]:
    """Return the customer's invoices that are not settled, the earliest due first."""
    rows = session.execute(
        select(
            Invoice.company,
            Invoice.document,
            Invoice.billed,
            Invoice.paid,
            Invoice.open,
            Invoice.due_on,
            Invoice.deadline_on,
            Invoice.pending,
            Invoice.at_risk,
            Invoice.at_risk_on,
        )
        .where(
            Invoice.customer_master_id == customer_master_id,
            or_(Invoice.open > 0, Invoice.pending != 0, Invoice.at_risk != 0),
        )
        .order_by(Invoice.due_on.asc().nulls_last(), Invoice.document, Invoice.id)
        .limit(limit)
    ).mappings()
    return [OpenInvoice(**row) for row in rows]
