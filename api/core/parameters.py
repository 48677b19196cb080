"""The parameters of addresses. They are checked before the database is asked anything."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

BIGINT_MAX = 2**63 - 1

# Postgres holds no NUL in text and no larger integers: such an address names nothing.
CustomerId = Annotated[
    str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="`customer_master_id`")
]
GroupId = Annotated[int, Path(ge=1, le=BIGINT_MAX, description="`reward_groups.id`")]
RedemptionId = Annotated[int, Path(ge=1, le=BIGINT_MAX, description="`prize_redemptions.id`")]
Before = Annotated[
    int | None, Query(ge=1, le=BIGINT_MAX, description="Entries with a lower id only: `next_before` of the page before")
]
Search = Annotated[
    str, Query(max_length=200, pattern=r"^[^\x00]*$", description="Part of a customer_master_id or of a group's name")
]
After = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$", description="`next_after` of the page before")]
Limit = Annotated[int, Query(ge=1, le=500, description="The most rows of a page")]
