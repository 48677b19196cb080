"""Says what a role may do. The table `user_roles` only names the roles (legacy/migration.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from api.core.errors import Forbidden


class Role(IntEnum):
    """The roles by their id in `user_roles`."""

    ADMINISTRATOR = 1
    MANAGER = 2
    SALES = 3
    CUSTOMER = 4
    NO_ACCESS = 9

    @property
    def title(self) -> str:
        """The name that people know it by."""
        return self.name.replace("_", " ").title()


OFFICE = frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.SALES})
FULFILMENT = frozenset({Role.ADMINISTRATOR, Role.MANAGER})
"""These roles hand prizes over, and so see what a trip is booked with: birth dates and passport numbers."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in user that a request is for."""

    user_id: int
    email: str
    name: str | None
    role: Role
    reward_group_id: int | None

    @property
    def is_office(self) -> bool:
        """Whether it sees all customers, reward groups and the ops pages."""
        return self.role in OFFICE

    @property
    def may_fulfil_prizes(self) -> bool:
        """Whether it hands prizes over and sees the personal details that this takes."""
        return self.role in FULFILMENT

    def may_see_group(self, reward_group_id: int | None) -> bool:
        """Whether it sees the reward group and its customers: the office sees all, a customer its own."""
        if self.is_office:
            return True
        return self.role is Role.CUSTOMER and reward_group_id is not None and reward_group_id == self.reward_group_id

    def require_group(self, reward_group_id: int | None) -> None:
        """Raise `Forbidden` unless `may_see_group`."""
        if not self.may_see_group(reward_group_id):
            raise Forbidden

    def require_office(self) -> None:
        """Raise `Forbidden` unless it works in the office."""
        if not self.is_office:
            raise Forbidden

    def require_fulfilment(self) -> None:
        """Raise `Forbidden` unless `may_fulfil_prizes`."""
        if not self.may_fulfil_prizes:
            raise Forbidden


SITE: Final = Viewer(0, "", "The site itself", Role.ADMINISTRATOR, None)
"""Reads a subject once for all pages that are open on it. Each page's own viewer is asked for on the same snapshot (live_reads.py)."""
