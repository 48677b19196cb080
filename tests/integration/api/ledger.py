"""Stands in for the sink: writes what the stream would write, in one transaction, and tells the pages."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from streams.postgres.models import (
    ConsumerLag,
    CustomerPoints,
    CustomerRewardGroup,
    Invoice,
    PartitionProgress,
    PointEntry,
    RewardGroup,
    RewardGroupTotals,
)
from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS

TODAY = dt.date(2026, 5, 1)
FACTS = {
    "billed": "1250.99", "paid": "1250.99", "open": "0.00",
    "due_on": "2026-04-01", "deadline_on": "2026-04-30", "settled_on": "2026-04-10",
    "rates": [{"company": None, "product_line": None, "points_per_dollar": "1", "effective_on": "2011-01-01"}],
}  # fmt: skip


class Ledger:
    """Writes entries and keeps the totals that belong to them."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with Session(self.engine) as session, session.begin():
            yield session

    def day(self, date: dt.date) -> None:
        with self.writing() as session:
            session.execute(text("UPDATE business_day SET business_date = :date, manual = true"), {"date": date})

    def member(self, customer: str, group: int, *, name: str = "", status: str = "open") -> None:
        with self.writing() as session:
            session.execute(
                insert(RewardGroup)
                .values(id=group, name=name or f"Group {group}", status=status)
                .on_conflict_do_nothing()
            )
            session.execute(
                insert(CustomerRewardGroup).values(
                    customer_master_id=customer, reward_group_id=group, enrolled_at=dt.date(2015, 6, 1)
                )
            )

    def status(self, group: int, status: str) -> None:
        with self.writing() as session:
            session.execute(
                text("UPDATE reward_groups SET status = :status WHERE id = :id"), {"status": status, "id": group}
            )

    def entry(
        self,
        customer: str,
        delta: int,
        *,
        group: int = 1,
        company: str | None = "SBM",
        tell: bool = True,
        **values: Any,
    ) -> int:
        """One entry of an invoice with its totals, committed and told; returns its id."""
        with self.writing() as session:
            before = values.pop("points_before", 0)
            row = {
                "invoice_id": uuid.uuid4(),
                "reward_group_id": group,
                "customer_master_id": customer,
                "company": company,
                "document": "104-22",
                "kind": "reward" if delta > 0 else "penalty",
                "stage": 0 if delta > 0 else 1,
                "points_before": before,
                "points_after": before + delta,
                "delta": delta,
                "effective_on": dt.date(2026, 4, 10),
                "cause": "change of row 17 at 0/1A2B3C4",
                "cause_data": {"kind": "rows", "rows": [17], "row_count": 1, "lsn": "0/1A2B3C4"},
                "source_transaction": uuid.uuid4().hex,
                "facts": FACTS,
            } | values  # fmt: skip
            number: int | None = session.scalar(insert(PointEntry).values(row).returning(PointEntry.id))
            assert number is not None
            if row["kind"] in {"reward", "penalty"}:
                self._add(
                    session, CustomerPoints, {"customer_master_id": customer, "company": company}, "points", delta
                )
                self._add(session, RewardGroupTotals, {"reward_group_id": group, "company": company}, "earned", delta)
            if tell:
                tell_changed(session, json.dumps([customer]))
            return number

    def invoice(
        self,
        customer: str,
        document: str,
        open_: str,
        *,
        company: str = "SBM",
        pending: int = 0,
        at_risk: int = 0,
        **values: Any,
    ) -> None:
        """An invoice that is not settled, with what it adds to the totals; nothing is told."""
        amount = Decimal(open_)
        row = {
            "id": uuid.uuid4(), "customer_master_id": customer, "company": company, "system_name": "BisTrack",
            "document": document, "partition": 0, "rows": {}, "revision": 1, "as_of": TODAY, "reward_group_id": 1,
            "reward": 0, "penalties": {}, "points": 0, "pending": pending, "at_risk": at_risk,
            "at_risk_on": dt.date(2026, 5, 2) if at_risk else None,
            "billed": amount, "paid": Decimal(0), "open": amount,
            "due_on": dt.date(2026, 4, 1), "deadline_on": dt.date(2026, 4, 30),
        } | values  # fmt: skip
        with self.writing() as session:
            session.execute(insert(Invoice).values(row))
            key = {"customer_master_id": customer, "company": company}
            self._add(session, CustomerPoints, key, "pending", pending)
            self._add(session, CustomerPoints, key, "at_risk", at_risk)
            group = row["reward_group_id"]
            if group is not None:
                self._add(
                    session, RewardGroupTotals, {"reward_group_id": group, "company": company}, "pending", pending
                )

    def lag(
        self, partition: int, lag_records: int, *, age_seconds: float = 0, lag_seconds: float = 0.5, **values: Any
    ) -> None:
        measured_at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_seconds)
        row = {
            "consumer_group": "rewards", "topic": "warehouse.public.invoice_transactions", "partition": partition,
            "agent": "invoices", "committed_offset": 1000, "end_offset": 1000 + lag_records, "lag_records": lag_records,
            "lag_seconds": lag_seconds, "member": "worker-1", "measured_at": measured_at,
        } | values  # fmt: skip
        with self.writing() as session:
            session.execute(insert(ConsumerLag).values(row))

    def watermarks(self, age_seconds: float, *, partition: int | None = None) -> None:
        """The watermarks that have come by, of all partitions or of one of the invoices'; below 0 they stay current for so long."""
        places = [(topic.name, number) for topic in (INVOICES, MEMBERSHIPS) for number in range(PARTITIONS)]
        if partition is not None:
            places = [(INVOICES.name, partition)]
        marked_at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_seconds)
        rows = [{"topic": topic, "partition": number, "marked_at": marked_at} for topic, number in places]
        with self.writing() as session:
            session.execute(
                insert(PartitionProgress)
                .values(rows)
                .on_conflict_do_update(index_elements=["topic", "partition"], set_={"marked_at": marked_at})
            )

    @staticmethod
    def _add(session: Session, model: Any, key: dict[str, Any], column: str, amount: int) -> None:
        statement = insert(model).values({**key, column: amount})
        session.execute(
            statement.on_conflict_do_update(index_elements=list(key), set_={column: getattr(model, column) + amount})
        )


def tell_changed(session: Session, payload: str) -> None:
    session.execute(text("SELECT pg_notify('points_changed', :payload)"), {"payload": payload})
