"""Redemptions with encrypted personal details, as a migration leaves them."""

from __future__ import annotations

from typing import Any

from api.core.encryption import FieldCipher
from tests.integration.api.servers import FIELD_KEY, Postgres

CIPHER = FieldCipher.from_setting(FIELD_KEY)
BORN, PASSPORT = "1975-07-04", "P7654321"


def encrypted(
    number: int, birthdate: str | None = BORN, passport_number: str | None = PASSPORT, cipher: FieldCipher = CIPHER
) -> dict[str, bytes | None]:
    """What stands in the two columns of a redemption."""
    values = {"birthdate": birthdate, "passport_number": passport_number}
    return {
        name: None if value is None else cipher.encrypt(value, f"prize_redemptions.{name} {number}")
        for name, value in values.items()
    }


def redeem(postgres: Postgres, database: str, number: int, **values: Any) -> None:
    """One redemption of Joe's, who wants to go to Cancún."""
    row = {
        "id": number, "user_id": 2, "reward_group_id": 1, "prize_id": 2, "prize_option_id": 4, "points": 320_000,
    } | values  # fmt: skip
    with postgres.admin(database) as cursor:
        cursor.execute(
            f"INSERT INTO prize_redemptions ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
            tuple(row.values()),
        )
