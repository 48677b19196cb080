"""One way of computing the points, as one value: where its state stands, who reads for it, and what its topics are called.

The live one is only the first: a rebuild computes the same beside it, from the same source topics, into a schema, a consumer group and
topics of its own. What exists once whatever generations there are (who takes part, the terms, the business date) is no part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from streams.errors import SettingsError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


@dataclass(frozen=True, slots=True)
class Generation:
    """Names of what a generation has of its own."""

    schema: str
    """Postgres schema of the state tables; the reference tables are in `public`, which every search path ends with."""
    application_id: str
    """Faust's application id, and so the consumer group and the prefix of changelog topics."""
    topic_prefix: str
    """Of the topics that the generation writes: `<prefix>.due-invoices`, `<prefix>.point-entries`, `<prefix>.dead-letters`."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.schema):
            raise SettingsError(f"{self.schema!r} is no name for a generation's schema: small letters, digits and _")

    @property
    def search_path(self) -> str:
        """As a session of Postgres has it set."""
        return "public" if self.schema == "public" else f"{self.schema}, public"


LIVE: Final = Generation(schema="public", application_id="rewards", topic_prefix="rewards")
"""What the website shows."""


def beside_live(number: int) -> Generation:
    """Return the names of a generation that is computed beside the live one."""
    return Generation(f"generation_{number}", f"rewards-{number}", f"rewards-{number}")
