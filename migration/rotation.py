"""Brings what the migration's report keeps encrypted under the first key: findings of personal details, and refused rows.

Place on the data's way: beside it. `rewards encryption rotate` runs it after the website's own values (api/rotation), as the
application's role: it may change these two columns of the report, and nothing else of it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.orm import Session

from api.core.database import Database
from api.core.encryption import PREFIX_BYTES, FieldCipher
from api.core.errors import DecryptionError
from api.rotation.commands import Rotation
from migration.models import MigrationFinding, MigrationReject
from migration.transform import finding_place, reject_place

BATCH_ROWS: Final = 1_000
_FINDING: Final = (
    MigrationFinding.table_name, MigrationFinding.key, MigrationFinding.column_name, MigrationFinding.rule,
)  # fmt: skip
_REJECT: Final = (MigrationReject.table_name, MigrationReject.key)


class ReportRotation:
    """The report's part of a rotation of keys."""

    def count_outdated(self, session: Session, cipher: FieldCipher) -> int:
        """How many values are not under the first key."""
        findings = session.scalar(select(func.count()).select_from(_findings(cipher).subquery())) or 0
        contents = session.scalars(_rejects()).yield_per(BATCH_ROWS)
        return findings + sum(len(list(_outdated(reject.content, cipher))) for reject in contents)

    def rotate(
        self, database: Database, cipher: FieldCipher, rotation: Rotation, told: Callable[[Rotation], None]
    ) -> None:
        """Encrypt anew whatever is not under the first key, in one transaction a batch, as api/rotation does."""
        for step in (_rotate_findings, _rotate_rejects):
            after: tuple[str, ...] | None = ("",)
            while after is not None:
                with database.write_sessions.begin() as session:
                    after = step(session, cipher, after, rotation)
                told(rotation)


def _findings(cipher: FieldCipher) -> Select[str, str, str, str, bytes | None]:
    return select(*_FINDING, MigrationFinding.old).where(
        MigrationFinding.encrypted,
        MigrationFinding.old.is_not(None),
        func.substring(MigrationFinding.old, 1, PREFIX_BYTES) != cipher.prefix,
    )


def _rejects() -> Select[MigrationReject]:
    columns = func.jsonb_each(MigrationReject.content).table_valued("key", "value")
    holds = select(columns.c.key).where(columns.c.value.op("?")("encrypted"))
    return select(MigrationReject).where(holds.exists())


def _rotate_findings(
    session: Session, cipher: FieldCipher, after: tuple[str, ...], rotation: Rotation
) -> tuple[str, ...] | None:
    statement = _findings(cipher).where(tuple_(*_FINDING) > tuple_(*after, *[""] * (len(_FINDING) - len(after))))
    rows = session.execute(statement.order_by(*_FINDING).limit(BATCH_ROWS).with_for_update()).all()
    for *key, old in rows:
        anew = _anew(cipher, old or b"", finding_place(key[0], key[1], key[2]), rotation)
        if anew is not None:
            conditions = [column == value for column, value in zip(_FINDING, key, strict=True)]
            session.execute(update(MigrationFinding).where(*conditions).values(old=anew))
    return tuple(rows[-1][:-1]) if rows else None


def _rotate_rejects(
    session: Session, cipher: FieldCipher, after: tuple[str, ...], rotation: Rotation
) -> tuple[str, ...] | None:
    statement = _rejects().where(tuple_(*_REJECT) > tuple_(*after, *[""] * (len(_REJECT) - len(after))))
    rejects = session.scalars(statement.order_by(*_REJECT).limit(BATCH_ROWS).with_for_update()).all()
    for reject in rejects:
        content = dict(reject.content)
        for column, stored in _outdated(content, cipher):
            anew = _anew(cipher, stored, reject_place(reject.table_name, reject.key, column), rotation)
            if anew is not None:
                content[column] = {"encrypted": base64.b64encode(anew).decode()}
        if content != reject.content:
            reject.content = content
    return (rejects[-1].table_name, rejects[-1].key) if rejects else None


def _outdated(content: dict[str, Any], cipher: FieldCipher) -> Iterator[tuple[str, bytes]]:
    """Columns of a refused row that are under another key, with what is stored."""
    for column, value in list(content.items()):
        if isinstance(value, dict) and "encrypted" in value:
            stored = base64.b64decode(value["encrypted"])
            if not cipher.is_current(stored):
                yield column, stored


def _anew(cipher: FieldCipher, stored: bytes, place: str, rotation: Rotation) -> bytes | None:
    try:
        anew = cipher.encrypt(cipher.decrypt(bytes(stored), place), place)
    except DecryptionError as error:
        rotation.fail(error)
        return None
    rotation.rewritten += 1
    return anew
