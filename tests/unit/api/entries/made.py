"""An entry to change what matters of."""

from __future__ import annotations

import datetime as dt
from typing import Any

from api.entries.queries import Entry

FACTS = {
    "billed": "1250.99", "paid": "1250.99", "open": "0.00",
    "due_on": "2026-04-01", "deadline_on": "2026-04-30", "settled_on": "2026-04-10", "rates": [],
}  # fmt: skip


def entry(before: int, after: int, *, facts: dict[str, Any] | None = None, **values: Any) -> Entry:
    defaults: dict[str, Any] = {
        "id": 1, "reward_group_id": 1, "customer_master_id": "M-1001", "company": "SBM", "document": "104-22",
        "kind": "reward", "stage": 0, "points_before": before, "points_after": after, "delta": after - before,
        "effective_on": dt.date(2026, 4, 10), "recorded_at": dt.datetime(2026, 4, 10, tzinfo=dt.UTC),
        "cause": "change of row 17 at 0/1A2B3C4",
        "cause_data": {"kind": "rows", "rows": [17], "row_count": 1, "lsn": "0/1A2B3C4"},
        "committed_at": None, "facts": FACTS | (facts or {}),
    }  # fmt: skip
    return Entry(**(defaults | values))
