"""Finds the values that are not under the first key."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from api.core.encrypted_columns import ENCRYPTED, EncryptedColumn
from api.core.encryption import PREFIX_BYTES, FieldCipher


def outdated(column: EncryptedColumn, cipher: FieldCipher) -> ColumnElement[bool]:
    """Return the condition that a column holds a value which is not under the first key."""
    return and_(column.is_not(None), func.substring(column, 1, PREFIX_BYTES) != cipher.prefix)


def count_outdated(session: Session, cipher: FieldCipher) -> int:
    """Return how many values are not under the first key."""
    return sum(
        session.scalar(select(func.count()).select_from(column.class_).where(outdated(column, cipher))) or 0
        for column in ENCRYPTED
    )
