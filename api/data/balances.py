"""The view `reward_group_balances` (made by Alembic) as something to select from; a view is on no metadata."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, column, table

REWARD_GROUP_BALANCES: Final = table(
    "reward_group_balances",
    column("reward_group_id", BigInteger),
    column("balance", BigInteger),
    column("redeemable", BigInteger),
    column("pending", BigInteger),
)
