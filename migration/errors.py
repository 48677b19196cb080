"""What stops a migration. Its text names the table, the key and the column, and says what to do."""

from __future__ import annotations

from streams.errors import RewardsError


class MigrationError(RewardsError):
    """The migration cannot go on; nothing of this run stays."""


class UncoveredError(MigrationError):
    """A value that no rule covers: somebody has to decide about it in the legacy database, or a rule has to be written.

    Attributes:
        column: the legacy column.
        why: what is wrong with it, without the value where that is personal.
    """

    def __init__(self, column: str, why: str) -> None:
        super().__init__(f"{column}: {why}")
        self.column = column
        self.why = why
