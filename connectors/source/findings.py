"""What can be wrong with a source, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """Whether points can be wrong or late because of a finding."""

    ERROR = "error"
    WARNING = "warning"


class Code(StrEnum):
    """One name a kind of finding; programs may rely on them."""

    # What could not be seen is not well.
    SOURCE_UNREADABLE = "source_unreadable"
    CONNECT_UNREADABLE = "connect_unreadable"
    TOPIC_UNREADABLE = "topic_unreadable"
    SNAPSHOT_NOT_RECORDED = "snapshot_not_recorded"

    WAL_LEVEL = "wal_level"
    TABLE_MISSING = "table_missing"
    TABLE_KIND = "table_kind"
    TABLE_REPLACED = "table_replaced"
    COLUMN_MISSING = "column_missing"
    COLUMN_TYPE = "column_type"
    COLUMN_CHANGED = "column_changed"
    REPLICA_IDENTITY = "replica_identity"

    PUBLICATION_MISSING = "publication_missing"
    PUBLICATION_REPLACED = "publication_replaced"
    PUBLICATION_OPTIONS = "publication_options"
    TABLE_NOT_PUBLISHED = "table_not_published"
    TABLE_FILTERED = "table_filtered"

    WATERMARK_TABLE = "watermark_table"
    WATERMARK_ROWS = "watermark_rows"
    ROLE_MISSING = "role_missing"
    ROLE_RIGHTS = "role_rights"

    SLOT_MISSING = "slot_missing"
    SLOT_LOST = "slot_lost"
    SLOT_FOREIGN = "slot_foreign"
    SLOT_INACTIVE = "slot_inactive"
    SLOT_BEHIND = "slot_behind"

    TOPIC_MISSING = "topic_missing"
    TOPIC_REPLACED = "topic_replaced"
    TOPIC_RECORDS_LOST = "topic_records_lost"
    RECORDS_OLD = "records_old"

    SNAPSHOT_DUE = "snapshot_due"
    SNAPSHOT_RUNNING = "snapshot_running"
    CONNECTOR_MISSING = "connector_missing"
    CONNECTOR_STOPPED = "connector_stopped"
    CONNECTOR_FAILED = "connector_failed"
    CONNECTOR_STARTING = "connector_starting"
    CONNECTOR_DIFFERENT = "connector_different"


GAPS: Final = frozenset(
    {
        Code.TABLE_MISSING,
        Code.TABLE_KIND,
        Code.TABLE_REPLACED,
        Code.COLUMN_MISSING,
        Code.COLUMN_TYPE,
        Code.COLUMN_CHANGED,
        Code.REPLICA_IDENTITY,
        Code.PUBLICATION_MISSING,
        Code.PUBLICATION_REPLACED,
        Code.PUBLICATION_OPTIONS,
        Code.TABLE_NOT_PUBLISHED,
        Code.TABLE_FILTERED,
        Code.SLOT_MISSING,
        Code.SLOT_LOST,
        Code.TOPIC_MISSING,
        Code.TOPIC_REPLACED,
        Code.TOPIC_RECORDS_LOST,
        Code.SNAPSHOT_DUE,
    }
)
"""With these, changes are missing or may be: only a new snapshot brings them."""

FOR_A_PERSON: Final = frozenset(
    {
        Code.SOURCE_UNREADABLE,
        Code.CONNECT_UNREADABLE,
        Code.TOPIC_UNREADABLE,
        Code.WAL_LEVEL,
        Code.TABLE_MISSING,
        Code.TABLE_KIND,
        Code.COLUMN_MISSING,
        Code.COLUMN_TYPE,
        Code.ROLE_MISSING,
        Code.SLOT_FOREIGN,
        Code.TOPIC_MISSING,
    }
)
"""`repair` mends none of these; and while one of them stands, a new snapshot would show a source that is wrong."""

PASSING: Final = frozenset(
    {Code.SLOT_INACTIVE, Code.RECORDS_OLD, Code.CONNECTOR_STARTING, Code.SNAPSHOT_RUNNING, Code.CONNECT_UNREADABLE}
)
"""What a connector that has just been started may show for a moment."""

UNSEEN: Final = frozenset({Code.SOURCE_UNREADABLE, Code.CONNECT_UNREADABLE, Code.TOPIC_UNREADABLE})
"""With these, what was wrong with the source before may be wrong still: nobody saw that it is not."""

REPAIR: Final = "rewards connectors repair"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a connector's source, or on the way from it to the topic."""

    code: Code
    connector: str
    severity: Severity
    message: str
    """One sentence."""
    remedy: str
    """A command, or what a person must do."""

    @property
    def is_gap(self) -> bool:
        """Changes are missing, or may be: a new snapshot is needed."""
        return self.code in GAPS

    @property
    def is_unseen(self) -> bool:
        """A part of the source could not be looked at."""
        return self.code in UNSEEN


def errors(findings: list[Finding]) -> list[Finding]:
    """Those because of which points can be wrong or late."""
    return [one for one in findings if one.severity is Severity.ERROR]


@dataclass(slots=True)
class Said:
    """Findings of one connector, as they are made."""

    connector: str
    findings: list[Finding] = field(default_factory=list)

    def add(self, code: Code, message: str, remedy: str = REPAIR, severity: Severity = Severity.ERROR) -> None:
        """Take in one more."""
        self.findings.append(Finding(code, self.connector, severity, message, remedy))
