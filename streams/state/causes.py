"""Why something is evaluated: what an entry of the log says of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from streams.state.positions import lsn_text

_ROWS_NAMED: Final = 3
"""How many rows a cause names before it only counts them."""


class Cause(NamedTuple):
    """Why something is evaluated: for the log, and what makes an entry the only one of its kind."""

    transaction: str
    """The source's transaction, or what stands for one: `day 2026-05-02`."""
    committed_ms: int | None = None
    lsn: int = 0
    rows: tuple[int, ...] = ()
    row_count: int = 0
    text: str | None = None
    """The sentence, where it is not a change of rows."""

    def with_row(self, transaction_id: int, lsn: int) -> Self:
        """Return this cause with one row more; the position is that of the first."""
        rows = (*self.rows, transaction_id) if self.row_count < _ROWS_NAMED else self.rows
        return type(self)(self.transaction, self.committed_ms, self.lsn or lsn, rows, self.row_count + 1, self.text)

    @property
    def sentence(self) -> str:
        """`change of row 17 at 0/1A2B3C4`."""
        if self.text is not None:
            return self.text
        named = ", ".join(map(str, self.rows))
        more = f" and {self.row_count - len(self.rows)} more" if self.row_count > len(self.rows) else ""
        return f"change of row{'s' if self.row_count > 1 else ''} {named}{more} at {lsn_text(self.lsn)}"

    def dump(self) -> dict[str, Any]:
        """As `invoices.awaiting_cause` holds it."""
        return self._asdict()

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `dump`."""
        return cls(**{**stored, "rows": tuple(stored["rows"])})
