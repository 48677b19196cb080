"""Encrypts every value under the first key that is not under it yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from sqlalchemy import BigInteger, LargeBinary, select, update, values
from sqlalchemy import column as sql_column
from sqlalchemy.orm import Session

from api.core.database import Database
from api.core.encrypted_columns import ENCRYPTED, EncryptedColumn, place_of
from api.core.encryption import FieldCipher
from api.core.errors import DecryptionError
from api.rotation.queries import outdated

BATCH_ROWS: Final = 1_000
SHOWN_FAILURES: Final = 10


@dataclass(slots=True)
class Rotation:
    """What became of the values that were not under the first key."""

    rewritten: int = 0
    failed: int = 0
    """These are left as they are."""
    failures: list[DecryptionError] = field(default_factory=list)
    """The first of the failures."""

    def fail(self, error: DecryptionError) -> None:
        """Count a value that cannot be decrypted."""
        self.failed += 1
        if len(self.failures) < SHOWN_FAILURES:
            self.failures.append(error)


class Part(Protocol):
    """Encrypted values of another package, which a rotation is over as well."""

    def count_outdated(self, session: Session, cipher: FieldCipher) -> int:
        """How many of them are not under the first key."""

    def rotate(
        self, database: Database, cipher: FieldCipher, rotation: Rotation, told: Callable[[Rotation], None]
    ) -> None:
        """Bring them under it, as `rotate` does."""


def rotate(
    database: Database, cipher: FieldCipher, told: Callable[[Rotation], None], parts: Sequence[Part] = ()
) -> Rotation:
    """Encrypt anew whatever is not under the first key, in one transaction a batch; call `told` after each batch.

    It may be interrupted and run again at any moment: a value is under the old key or under the new one, and both are read. A
    value that cannot be decrypted is left alone and reported.
    """
    rotation = Rotation()
    for column in ENCRYPTED:
        after: int | None = 0
        while after is not None:
            with database.write_sessions.begin() as session:
                after = _rotate_batch(session, cipher, column, after, rotation)
            told(rotation)
    for part in parts:
        part.rotate(database, cipher, rotation, told)
    return rotation


def _rotate_batch(
    session: Session, cipher: FieldCipher, column: EncryptedColumn, after: int, rotation: Rotation
) -> int | None:
    """Work off the next rows by id; return the last row's id, or None where there was no row."""
    table = column.class_
    rows = session.execute(
        select(table.id, column)
        .where(table.id > after, outdated(column, cipher))
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
        # One command for the batch: an UPDATE a row would be a round trip each.
        found = values(sql_column("id", BigInteger), sql_column("stored", LargeBinary), name="found").data(anew)
        session.execute(update(table).where(table.id == found.c.id).values({column.key: found.c.stored}))
    rotation.rewritten += len(anew)
    return rows[-1][0] if rows else None
