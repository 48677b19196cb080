"""Why something is evaluated: what an entry of the log says of itself, as data and as a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from streams.state.positions import lsn_text

ROWS: Final = "rows"
"""Rows of the warehouse changed."""
ENROLMENT: Final = "enrolment"
"""The customer's membership began, moved or ended."""
DAY: Final = "day"
"""The business date became another."""
RELOAD: Final = "reload"
"""A truncated table was loaded again, without these rows."""
SNAPSHOT: Final = "snapshot"
"""A new snapshot did not show these rows."""
TRANSACTION: Final = "transaction"
"""The rest of a source transaction that was too large for one batch."""
RETRY: Final = "retry"
"""A dead letter is tried again: what it says counts as the change that it always was."""

_ROWS_NAMED: Final = 3
"""How many rows a cause names before it only counts them."""
_NOTHING: Final[Mapping[str, Any]] = {}


class Cause(NamedTuple):
    """Why something is evaluated: for the log, and what makes an entry the only one of its kind."""

    transaction: str
    """The source's transaction, or what stands for one: `day 2026-05-02`."""
    committed_ms: int | None = None
    """Milliseconds since 1970, time of the source."""
    kind: str = ROWS
    lsn: int = 0
    rows: tuple[int, ...] = ()
    row_count: int = 0
    details: Mapping[str, Any] = _NOTHING
    """What belongs to the kind: `business_date`; `lsn`; of an enrolment what it was `before` and is `after`, also of one that a
    reload or a snapshot did not show again."""

    @classmethod
    def of_reevaluation(cls, kind: str, of: str) -> Self:
        """Return the cause of what is evaluated again: a date, a reload's or a snapshot's LSN, a transaction."""
        key = {DAY: "business_date", RELOAD: "lsn", SNAPSHOT: "lsn"}.get(kind, "of")
        made = cls("", kind=kind, details={key: of})
        return made._replace(transaction=of if kind == TRANSACTION else made.sentence)

    def with_row(self, transaction_id: int, lsn: int) -> Self:
        """Return this cause with one row more; the position is that of the first."""
        rows = (*self.rows, transaction_id) if self.row_count < _ROWS_NAMED else self.rows
        # Once a change: `_replace` takes twice as long.
        return type(self)(
            self.transaction, self.committed_ms, self.kind, self.lsn or lsn, rows, self.row_count + 1, self.details
        )

    def of_enrolment(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Self:
        """Return this cause as that of an enrolment; either side is `reward_group_id` and `enrolled_on`, or None."""
        return self._replace(kind=ENROLMENT, details={"before": before, "after": after})

    def of_retired_membership(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Self:
        """Return the cause of a reload's or a snapshot's end as that of a membership that it did not show again."""
        return self._replace(details={**self.details, "before": before, "after": after})

    @property
    def sentence(self) -> str:
        """For plain SQL: `change of row 17 at 0/1A2B3C4`, `day 2026-05-02`, `enrolment on 2011-01-15`."""
        details = self.details
        match self.kind:
            case "rows":
                named = ", ".join(map(str, self.rows))
                more = f" and {self.row_count - len(self.rows)} more" if self.row_count > len(self.rows) else ""
                return f"change of row{'s' if self.row_count > 1 else ''} {named}{more} at {lsn_text(self.lsn)}"
            case "enrolment":
                return _enrolment_sentence(details.get("before"), details.get("after"))
            case "day":
                return f"day {details['business_date']}"
            case "reload":
                return f"reload after the truncate at {details['lsn']}{self._without}"
            case "snapshot":
                return f"snapshot at {details['lsn']}{self._without}"
            case _:
                return f"{self.kind} {details.get('of', '')}".strip()

    @property
    def _without(self) -> str:
        """Of a membership that was not shown again: which."""
        before = self.details.get("before")
        return f" without the enrolment on {before['enrolled_on']}" if before else ""

    def data(self) -> dict[str, Any]:
        """As `point_entries.cause_data` holds it."""
        if self.kind == ROWS:
            return {"kind": ROWS, "rows": self.rows, "row_count": self.row_count, "lsn": lsn_text(self.lsn)}
        return {"kind": self.kind, **self.details}

    def dump(self) -> dict[str, Any]:
        """As `invoices.awaiting_cause` holds it."""
        return self._asdict()

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `dump`."""
        return cls(**{**stored, "rows": tuple(stored["rows"])})


def _enrolment_sentence(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    if after is None:
        return "enrolment ended"
    if before is None:
        return f"enrolment on {after['enrolled_on']}"
    if before["reward_group_id"] != after["reward_group_id"]:
        return f"enrolment moved from reward group {before['reward_group_id']} to {after['reward_group_id']}"
    return f"enrolment moved from {before['enrolled_on']} to {after['enrolled_on']}"
