"""When too many rows of a partition are bad: counted row by row as they are cut, and the partition halts behind their dead letters. Pure.

Place on the data's way: between the partition buffers and the fold. It counts bad rows, not bad records: a row that stays bad while it is
touched again and again is one. A row that a later record of the buffer corrects, one before a truncate, and one that a person accepted
do not count. What is counted is kept with the partition's progress, so that no restart and no other worker begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from streams.source.partition_buffer import PartitionBuffer
from streams.source.records import DecodedRecord
from streams.state.progress import Progress

RowName = int | str
"""The row's number in its source, or the record's place where it says none."""


@dataclass(frozen=True, slots=True)
class BadRecordLimits:
    """From where on bad rows are a fault of the source, and not of a few rows."""

    rows_in_a_row: int = 10
    window_records: int = 1_000
    window_share: float = 0.01
    """More than this share of a full window."""

    @property
    def window_rows_max(self) -> int:
        """The most bad rows of a window that halt nothing."""
        return int(self.window_share * self.window_records)


class LaterRecords:
    """What the records that a partition holds say of its rows later on."""

    def __init__(self, records: Sequence[DecodedRecord] = ()) -> None:
        self._usable: dict[RowName, int] = {}
        """Row -> the offset of its last record that can be used."""
        self._truncated_at = -1
        for record in records:
            event = record.event
            if event is not None and record.error is None:
                self._usable.update(dict.fromkeys(event.row_ids(), record.offset))
                if event.truncated:
                    self._truncated_at = record.offset

    def correct(self, row: RowName, offset: int) -> bool:
        """Whether what the record at this offset says of the row is over."""
        return offset < self._truncated_at or offset < self._usable.get(row, -1)


_NOTHING_LATER: Final = LaterRecords()


@dataclass(slots=True)
class BadRows:
    """The bad rows of a partition that count, as its progress keeps them."""

    in_a_row: list[RowName] = field(default_factory=list)
    window_records: int = 0
    window_rows: list[RowName] = field(default_factory=list)

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Self:
        """The inverse of `dump`; nothing stored is nothing counted."""
        return cls(
            list(stored.get("in_a_row", ())), stored.get("window_records", 0), list(stored.get("window_rows", ()))
        )

    def dump(self) -> dict[str, Any]:
        """As `partition_progress.bad_records` holds it."""
        return {"in_a_row": self.in_a_row, "window_records": self.window_records, "window_rows": self.window_rows}

    def forgive(self, later: LaterRecords, before: int) -> None:
        """Take out the rows that later records correct; all that is counted lies before this offset."""
        self.in_a_row = [row for row in self.in_a_row if not later.correct(row, before - 1)]
        self.window_rows = [row for row in self.window_rows if not later.correct(row, before - 1)]

    def alarm(self, limits: BadRecordLimits) -> str | None:
        """Return, in words, what is too many; None where nothing is."""
        if len(self.in_a_row) >= limits.rows_in_a_row:
            return f"{len(self.in_a_row)} rows in a row cannot be used"
        if self.window_records >= limits.window_records and len(self.window_rows) > limits.window_rows_max:
            return f"{len(self.window_rows)} rows of the last {self.window_records} records cannot be used"
        return None

    def count(
        self, records: Sequence[DecodedRecord], limits: BadRecordLimits, progress: Progress, later: LaterRecords
    ) -> tuple[int, str] | None:
        """Count records; return after how many the alarm goes off, and why. What was counted before is left out."""
        for number, record in enumerate(records, 1):
            if record.offset < progress.next_offset or not _is_of_a_row(record):
                continue
            self.window_records += 1
            error = record.error
            if error is None:
                self._note_usable(record)
            elif record.offset >= progress.accept_bad_until:
                row = _row_name(record)
                if not later.correct(row, record.offset):
                    self._note_bad(row)
            window_is_over = self.window_records >= limits.window_records
            if (error is not None or window_is_over) and (reason := self.alarm(limits)):
                last = f", the last for {error.reason}" if error is not None else ""
                return number, f"{reason}, up to offset {record.offset}{last}"
            if window_is_over:
                self.window_records = 0
                self.window_rows.clear()
        return None

    def _note_usable(self, record: DecodedRecord) -> None:
        self.in_a_row.clear()
        event = record.event
        if not self.window_rows or event is None:
            return
        if event.truncated:
            self.window_rows.clear()
        usable = set(event.row_ids())
        self.window_rows = [row for row in self.window_rows if row not in usable]

    def _note_bad(self, row: RowName) -> None:
        for rows in (self.in_a_row, self.window_rows):
            if row not in rows:
                rows.append(row)


def admit(
    buffer: PartitionBuffer, progress: Progress, cut: tuple[int, bool], limits: BadRecordLimits
) -> tuple[int, bool]:
    """Return how much of a cut goes on, and whether its last source transaction is complete.

    Halts the partition in `progress` right behind the record that is one too many. Nothing of a halted partition goes on, until a person
    clears it or what its buffer holds corrects enough of its rows.
    """
    count, (wanted, complete) = BadRows.load(progress.bad_records), cut
    records = buffer.records[:wanted]
    halted = progress.halted_reason is not None
    later = (
        LaterRecords(buffer.records)
        if halted or any(record.error is not None for record in records)
        else _NOTHING_LATER
    )
    if halted:
        count.forgive(later, progress.next_offset)
        if count.alarm(limits):
            return 0, True
        progress.halted_reason = None
    found = count.count(records, limits, progress, later)
    progress.bad_records = count.dump()
    if found is None:
        return wanted, complete
    taken, progress.halted_reason = found
    return taken, complete if taken == wanted else buffer.ends_at(taken)


def _is_of_a_row(record: DecodedRecord) -> bool:
    """Whether a record says whether rows are well: tombstones and watermarks do not."""
    event = record.event
    if event is not None:
        return not event.is_watermark
    # A dead letter that is tried again in vain is no other bad row.
    return (record.reevaluation is None) != (record.error is None)


def _row_name(record: DecodedRecord) -> RowName:
    event = record.event
    return f"offset {record.offset}" if event is None or event.row_id is None else event.row_id
