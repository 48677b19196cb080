"""The tables that the stream reads and writes in `sunroc_rewards`: state (one set a generation) and reference (once)."""

from streams.postgres.models.base import Base
from streams.postgres.models.progress import DeadLetter, PartitionProgress, SourceEpoch
from streams.postgres.models.reference import (
    BusinessDay,
    ConsumerLag,
    CustomerRewardGroup,
    ProgramTerms,
    Rate,
    RewardGroup,
    SourceCheck,
    SourceFinding,
    Watermark,
)
from streams.postgres.models.state import (
    ENTRY_KINDS,
    CustomerPoints,
    Invoice,
    Membership,
    PointEntry,
    RewardGroupTotals,
)

__all__ = [
    "ENTRY_KINDS",
    "Base",
    "BusinessDay",
    "ConsumerLag",
    "CustomerPoints",
    "CustomerRewardGroup",
    "DeadLetter",
    "Invoice",
    "Membership",
    "PartitionProgress",
    "PointEntry",
    "ProgramTerms",
    "Rate",
    "RewardGroup",
    "RewardGroupTotals",
    "SourceCheck",
    "SourceEpoch",
    "SourceFinding",
    "Watermark",
]
