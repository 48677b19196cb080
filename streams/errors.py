"""The tree of errors, by what happens next. No exception leaves an agent's body (Faust would acknowledge and lose the batch)."""

from __future__ import annotations

from enum import StrEnum


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


class TransientKind(StrEnum):
    """What the world's fault is like, which decides for how long it is met by trying again (retry_policy.py)."""

    AWAY = "away"
    """Nobody answers, or there is no room: its end is not ours to decide."""
    CONTENDED = "contended"
    """Others hold what is wanted: a deadlock, a lock."""
    UNEXPLAINED = "unexplained"
    """The server fails at what it should be able to do."""


class TransientError(RewardsError):
    """The world is at fault (database away, broker electing a leader): tried again, with the lag in plain sight."""

    def __init__(self, text: str, *, kind: TransientKind = TransientKind.AWAY) -> None:
        super().__init__(text)
        self.kind = kind


class InvariantError(RewardsError):
    """We are at fault: the worker stops before it commits an offset."""


class SourceTopicError(InvariantError):
    """A topic that is read is missing, was made anew or lost records: the worker stops until a person says how it goes on."""


class RefusedError(InvariantError):
    """Postgres refuses what a batch came to, now and later: the record that it is about becomes a dead letter."""


class SettingsError(RewardsError):
    """A setting or a command's argument is wrong; the text names it and says what would be right."""
