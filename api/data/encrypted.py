"""Which columns are encrypted, what a value is bound to, and one job: bring every value under the first key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, LargeBinary, and_, func, select, update, values
from sqlalchemy import column as sql_column
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.data.models import PrizeRedemption
from api.database import Database
from api.encryption import PREFIX_BYTES, FieldCipher, place_in
from api.errors import DecryptionError

EncryptedColumn = InstrumentedAttribute[bytes | None]

ENCRYPTED: Final[tuple[EncryptedColumn, ...]] = (PrizeRedemption.birthdate, PrizeRedemption.passport_number)
BATCH_ROWS: Final = 1_000
SHOWN_FAILURES: Final = 10


def place_of(column: EncryptedColumn, row_id: int) -> str:
    """What a value is bound to: `prize_redemptions.passport_number 17`."""
    return place_in(column.class_.__tablename__, column.key, row_id)


@dataclass(slots=True)
class Rotation:
    """What became of the values that were not under the first key."""

    rewritten: int = 0
    failed: int = 0
    """Left as they are."""
    failures: list[DecryptionError] = field(default_factory=list)
    """The first of them."""

    def fail(self, error: DecryptionError) -> None:
        """Count a value that cannot be decrypted."""
        self.failed += 1
        if len(self.failures) < SHOWN_FAILURES:
            self.failures.append(error)


def count_outdated(session: Session, cipher: FieldCipher) -> int:
    """Return how many values are not under the first key."""
    return sum(
        session.scalar(select(func.count()).select_from(column.class_).where(_outdated(column, cipher))) or 0
        for column in ENCRYPTED
    )


def rotate(database: Database, cipher: FieldCipher, told: Callable[[Rotation], None]) -> Rotation:
    """Encrypt anew whatever is not under the first key, a transaction a batch; `told` is called after each of them.

    It may be interrupted and run again at any moment: a value is under the old key or under the new one, and both are read. A
    value that cannot be decrypted is left alone and told of.
    """
    rotation = Rotation()
    for column in ENCRYPTED:
        after: int | None = 0
        while after is not None:
            with database.writing.begin() as session:
                after = _rotate_batch(session, cipher, column, after, rotation)
            told(rotation)
    return rotation


def _rotate_batch(
    session: Session, cipher: FieldCipher, column: EncryptedColumn, after: int, rotation: Rotation
) -> int | None:
    """Work off the next rows by id; returns the last one's, or None where there was none."""
    table = column.class_
    rows = session.execute(
        select(table.id, column)
        .where(table.id > after, _outdated(column, cipher))
        .order_by(table.id)
        .limit(BATCH_ROWS)
        .with_for_update()
    ).all()
    anew = []
    for row_id, stored in rows:
        place = place_of(column, row_id)
        try:
            anew.append((row_id, cipher.encrypt(cipher.decrypt(stored, place), place)))
        except DecryptionError as error:
            rotation.fail(error)
    if anew:
        # One statement: an UPDATE a row would be a round trip each.
        found = values(sql_column("id", BigInteger), sql_column("stored", LargeBinary), name="found").data(anew)
        session.execute(update(table).where(table.id == found.c.id).values({column.key: found.c.stored}))
    rotation.rewritten += len(anew)
    return rows[-1][0] if rows else None


def _outdated(column: EncryptedColumn, cipher: FieldCipher) -> ColumnElement[bool]:
    return and_(column.is_not(None), func.substring(column, 1, PREFIX_BYTES) != cipher.prefix)
