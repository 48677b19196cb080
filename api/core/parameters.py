"""The parameters of addresses. They are checked before the database is asked anything."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AfterValidator

from api.core.addresses import text_of
from streams.source.rows import TEXT_BYTES_MAX

BIGINT_MAX = 2**63 - 1
LONGEST_CUSTOMER_ID: Final = TEXT_BYTES_MAX
"""Characters: the stream takes no id of more bytes."""

# Postgres holds no NUL in text and no larger integers: such an address names nothing.
CustomerId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=2 * LONGEST_CUSTOMER_ID,
        description="`customer_master_id`, percent-encoded as one segment, slashes too; of `.` and `..` with `=` before it",
    ),
    AfterValidator(text_of),
]
GroupId = Annotated[int, Path(ge=1, le=BIGINT_MAX, description="`reward_groups.id`")]
RedemptionId = Annotated[int, Path(ge=1, le=BIGINT_MAX, description="`prize_redemptions.id`")]
SessionId = Annotated[int, Path(ge=1, le=BIGINT_MAX, description="`id` of `/api/sessions`")]
Before = Annotated[
    int | None, Query(ge=1, le=BIGINT_MAX, description="Entries with a lower id only: `next_before` of the page before")
]
Search = Annotated[
    str,
    Query(
        max_length=LONGEST_CUSTOMER_ID,
        pattern=r"^[^\x00]*$",
        description="Beginnings of words of a customer_master_id or of its group's name, in any order, case and accents aside",
    ),
]
After = Annotated[
    str,
    Query(max_length=LONGEST_CUSTOMER_ID, pattern=r"^[^\x00]*$", description="`next_after` of the page before"),
]
Limit = Annotated[int, Query(ge=1, le=500, description="The most rows of a page")]
Once = Annotated[bool, Query(description="Answer the newest state once, as JSON, instead of a stream of updates")]
