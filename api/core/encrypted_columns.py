"""The columns that are encrypted, and what a value in one of them is bound to."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import InstrumentedAttribute

from api.core.encryption import place_in
from api.core.models import PrizeRedemption

EncryptedColumn = InstrumentedAttribute[bytes | None]

ENCRYPTED: Final[tuple[EncryptedColumn, ...]] = (PrizeRedemption.birthdate, PrizeRedemption.passport_number)


def place_of(column: EncryptedColumn, row_id: int) -> str:
    """Return what a value is bound to: `prize_redemptions.passport_number 17`."""
    return place_in(column.class_.__tablename__, column.key, row_id)
