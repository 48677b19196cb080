"""The worker's figures, one list. Read by its log line and its watchdog."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.errors import TransientKind


@dataclass(slots=True)
class WorkerMetrics:
    """Counts since the start of the process."""

    records: int = 0
    batches: int = 0
    busy_seconds: float = 0.0
    retries: int = 0
    last_batch_at: float = field(default_factory=time.monotonic)
    """Monotonic seconds; also set while a batch with nothing to write was looked at."""

    def note_batch(self, record_count: int, seconds: float) -> None:
        """Count a batch that was written."""
        self.records += record_count
        self.batches += bool(record_count)
        self.busy_seconds += seconds
        self.last_batch_at = time.monotonic()

    def note_retry(self, _kind: TransientKind) -> None:
        """Count a retry."""
        self.retries += 1
