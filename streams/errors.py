"""The tree of errors, by what happens next. No exception leaves an agent's body (Faust would acknowledge and lose the batch)."""

from __future__ import annotations


class RewardsError(Exception):
    """Anything that this product raises on purpose; its text says what to do."""


class RecordError(RewardsError):
    """A record that cannot be used, now or later: it goes to the dead letters and the stream goes on.

    Attributes:
        reason: one word for figures and filters, e.g. `undecodable`, `both_types`, `missing_column`, `bad_amount`, `bad_date`.
        column: the column at fault, where there is one.
    """

    def __init__(self, reason: str, detail: str, *, column: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.column = column


class TransientError(RewardsError):
    """The world is at fault (database away, broker electing a leader): tried again, with the lag in plain sight."""


class InvariantError(RewardsError):
    """We are at fault: the worker stops before it commits an offset."""


class SourceTopicError(InvariantError):
    """A topic that is read is missing, was made anew or lost records: the worker stops until a person says how it goes on."""


class RefusedError(InvariantError):
    """Postgres refuses what a batch came to, now and later: the record that it is about becomes a dead letter."""


class SettingsError(RewardsError):
    """A setting or a command's argument is wrong; the text names it and says what would be right."""
