"""What each connector captures, as its file says it, and which columns the stream reads, of which types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.registration import Connector, deployed

WHOLE_NUMBERS: Final = frozenset({"bigint", "integer"})
TEXTS: Final = frozenset({"text", "character varying", "character"})
DATES: Final = frozenset({"date"})
BOOLEANS: Final = frozenset({"boolean"})
# No float: what is money is exact.
DECIMALS: Final = frozenset({"numeric"})

COLUMNS: Final[dict[str, dict[str, frozenset[str]]]] = {
    "invoice_transactions": {
        "transaction_id": WHOLE_NUMBERS,
        "transaction_date": DATES,
        "transaction_type_rewards_invoice": BOOLEANS,
        "transaction_type_rewards_payment": BOOLEANS,
        "transaction_description": TEXTS,
        "transaction_amount": DECIMALS,
        "transaction_retainage": DECIMALS,
        "transaction_due_date": DATES,
        "customer_master_id": TEXTS,
        "company_abbreviation": TEXTS,
        "system_name": TEXTS,
        "product_line_name": TEXTS,
    },
    "customers_reward_groups": {
        "id": WHOLE_NUMBERS,
        "customer_master_id": TEXTS,
        "reward_group_id": WHOLE_NUMBERS,
        "enrolled_at": DATES,
    },
}
"""Table -> the columns that a rule reads (program-terms.md, Where the facts come from) -> the types that are read rightly."""
WATERMARKS: Final = "rewards_watermarks"
MARKS: Final = "rewards_watermark_marks"
SCHEMA: Final = "public"


@dataclass(frozen=True, slots=True)
class Captured:
    """One connector's part of the source."""

    connector: str
    table: str
    """In the schema `public`, as the watermarks are."""
    publication: str
    slot: str
    plugin: str
    topic: str

    @property
    def columns(self) -> dict[str, frozenset[str]]:
        """Columns that a rule reads -> accepted types."""
        return COLUMNS[self.table]

    @property
    def tables(self) -> tuple[str, str]:
        """The captured table and the watermarks."""
        return (self.table, WATERMARKS)


def captured_by(connector: Connector) -> Captured:
    """What a connector captures; its file names the captured table first, the watermarks after it."""
    configuration = connector.configuration
    first = configuration["table.include.list"].split(",")[0]
    return Captured(
        connector=connector.name,
        table=first.removeprefix(f"{SCHEMA}."),
        publication=configuration["publication.name"],
        slot=configuration["slot.name"],
        plugin=configuration["plugin.name"],
        topic=connector.topic,
    )


def all_captured() -> dict[str, Captured]:
    """Connector -> what it captures."""
    return {one.name: captured_by(one) for one in deployed()}
