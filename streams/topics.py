"""Every topic of the program, defined once.

A contract test holds the connector files and docker-compose.yml against these names. All topics that carry a customer share one
key format (`{"customer_master_id": "…"}`, compact JSON), one partitioner (murmur2 of the key's bytes) and one partition count, so
that everything known of a customer meets in one partition on one worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from streams.generation import LIVE, Generation

PARTITIONS: Final = 8
"""Partitions of every topic that is keyed by customer. Changing it needs a stop and a replay: the key's partition moves."""

CAPTURED_RECORD_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of a record that Connect sends (`producer.max.request.size` of the Connect worker).

A value has at most 250 KB: five texts cut at 4,000 characters and one at 200, six bytes each where JSON escapes them all, in `before`
and in `after`; numbers, dates and the rest are 4 KB. The key is not cut, for Debezium cuts values only, and where it changes the other
one comes along in a header. The warehouse's index on `customer_master_id` bounds it: 2,704 bytes after compression are 230 KB of text at
most (pglz packs 85 to 1), 1.4 MB in JSON where all is escaped, twice that with the header."""

RECORD_BYTES_MAX: Final = 4 * CAPTURED_RECORD_BYTES_MAX
"""Of a record of any topic (`max.message.bytes`; `message.max.bytes` of our broker), with room for what another source may send. A dead
letter repeats of its record's key and value at most 256 KB each (worker/outputs.py).

Consumers need no limit as high: a broker sends the first batch of a fetch whole, however little was asked for."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must exist before a worker starts (Faust ignores for good a source topic that is missing at its start)."""

    name: str
    cleanup_policy: Literal["delete", "compact"] = "delete"
    retention_days: int | None = None
    """None keeps records for ever: a replay from the first record must be possible."""
    partitions: int = PARTITIONS


INVOICES: Final = TopicSpec("warehouse.public.invoice_transactions")
"""Debezium change events of the warehouse's table, and its watermarks (source/records.py), which share its partitions' order."""

MEMBERSHIPS: Final = TopicSpec("rewards.public.customers_reward_groups")
"""Debezium change events of who takes part, and the watermarks of that database."""

TRANSACTIONS: Final = (
    TopicSpec("warehouse.transaction", retention_days=1, partitions=1),
    TopicSpec("rewards.transaction", retention_days=1, partitions=1),
)
"""Where Debezium says that a source transaction has ended, and how many events it had."""

CUSTOMER_POINTS_TABLE: Final = "customer_points"


@dataclass(frozen=True, slots=True)
class GenerationTopics:
    """The topics that a generation writes."""

    reevaluations: TopicSpec
    """One record an invoice to evaluate again: a new business date, an epoch's end, a transaction too large for one batch."""
    point_entries: TopicSpec
    """Each entry of the point log after it stands in Postgres. Readers drop repeats by `id`; what a worker wrote right before it was
    killed may be missing here: Postgres has it."""
    dead_letters: TopicSpec
    """Records that cannot be used, with where they stood, their bytes and the reason."""
    customer_points_changelog: TopicSpec
    """Changelog of the Faust Table of per-customer totals."""


def topics_of(generation: Generation) -> GenerationTopics:
    """Return the topics of a generation."""
    prefix = generation.topic_prefix
    return GenerationTopics(
        TopicSpec(f"{prefix}.due-invoices", retention_days=7),
        TopicSpec(f"{prefix}.point-entries"),
        TopicSpec(f"{prefix}.dead-letters"),
        TopicSpec(f"{generation.application_id}-{CUSTOMER_POINTS_TABLE}-changelog", cleanup_policy="compact"),
    )


_LIVE: Final = topics_of(LIVE)
REEVALUATIONS: Final = _LIVE.reevaluations
POINT_ENTRIES: Final = _LIVE.point_entries
DEAD_LETTERS: Final = _LIVE.dead_letters
CUSTOMER_POINTS_CHANGELOG: Final = _LIVE.customer_points_changelog

ALL: Final = (
    INVOICES,
    MEMBERSHIPS,
    *TRANSACTIONS,
    REEVALUATIONS,
    POINT_ENTRIES,
    DEAD_LETTERS,
    CUSTOMER_POINTS_CHANGELOG,
)
