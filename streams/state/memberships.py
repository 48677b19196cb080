"""What is known of a customer's membership: the rows of `customers_reward_groups` with their positions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from streams.calculator.facts import Membership
from streams.state.positions import Position


class StoredMembership(NamedTuple):
    """What is known of one row of `customers_reward_groups`; `membership` is None where it is gone."""

    position: Position
    membership: Membership | None


@dataclass(slots=True)
class MembershipState:
    """What is known of a customer's membership: a row of `memberships`."""

    customer_master_id: str
    rows: dict[int, StoredMembership]
    revision: int = 0

    def copy(self) -> Self:
        """Return the next revision, to be changed freely."""
        return type(self)(self.customer_master_id, self.rows.copy(), self.revision + 1)

    @property
    def current(self) -> Membership | None:
        """The membership that counts: one at most in the source; the latest, while a reload shows two."""
        latest: StoredMembership | None = None
        for row in self.rows.values():
            if row.membership is not None and (latest is None or row.position > latest.position):
                latest = row
        return None if latest is None else latest.membership

    @property
    def oldest(self) -> Position | None:
        """The least position among the rows that count."""
        return min((row.position for row in self.rows.values() if row.membership is not None), default=None)
