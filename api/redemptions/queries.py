"""Reads who travels with a redeemed prize, personal details decrypted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.core.encrypted_columns import EncryptedColumn, place_of
from api.core.encryption import FieldCipher
from api.core.errors import DecryptionError
from api.core.models import PrizeRedemption
from api.core.permissions import Viewer


@dataclass(frozen=True, slots=True)
class Traveller:
    """What a trip is booked with. The repr leaves out what is encrypted in the database."""

    name: str | None
    """First and last name."""
    international_name: str | None
    """The name as the passport has it."""
    birthdate: dt.date | None = field(repr=False)
    passport_number: str | None = field(repr=False)
    passport_issue_date: dt.date | None
    passport_expiration_date: dt.date | None


def find_traveller(session: Session, viewer: Viewer, cipher: FieldCipher, redemption_id: int) -> Traveller | None:
    """Return the redemption's traveller, or None where there is no such redemption.

    Raises:
        Forbidden: the viewer does not hand prizes over.
        DecryptionError: a stored value cannot be decrypted.

    """
    viewer.require_fulfilment()
    row = session.execute(select(PrizeRedemption).where(PrizeRedemption.id == redemption_id)).scalar_one_or_none()
    if row is None:
        return None
    return Traveller(
        name=" ".join(filter(None, (row.name_first, row.name_last))) or None,
        international_name=row.international_name,
        birthdate=_birthdate(cipher, row),
        passport_number=_decrypted(cipher, PrizeRedemption.passport_number, row.id, row.passport_number),
        passport_issue_date=row.passport_issue_date,
        passport_expiration_date=row.passport_expiration_date,
    )


def _birthdate(cipher: FieldCipher, row: PrizeRedemption) -> dt.date | None:
    value = _decrypted(cipher, PrizeRedemption.birthdate, row.id, row.birthdate)
    try:
        return None if value is None else dt.date.fromisoformat(value)
    except ValueError:
        # The text of the ValueError would show the value.
        raise DecryptionError(place_of(PrizeRedemption.birthdate, row.id), "it is no ISO date") from None


def _decrypted(cipher: FieldCipher, column: EncryptedColumn, row_id: int, stored: bytes | None) -> str | None:
    return None if stored is None else cipher.decrypt(stored, place_of(column, row_id))
