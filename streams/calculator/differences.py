"""From what an invoice was worth to what it is worth: which entries the log gains. Before the sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple

from streams.calculator.points import Worth
from streams.calculator.stages import Penalty

StoredPenalties = Mapping[str, Sequence[int | str]]
"""Stage -> points and ISO date, as the column `invoices.penalties` holds them: {"1": [-1250, "2026-05-02"]}."""


class Standing(NamedTuple):
    """The part of a stored worth that entries were written for; enough to tell what a new worth changes."""

    reward_group_id: int | None = None
    reward: int = 0
    settled_on: date | None = None
    penalties: tuple[Penalty, ...] = ()

    @classmethod
    def from_stored(
        cls, reward_group_id: int | None, reward: int, settled_on: date | None, penalties: StoredPenalties
    ) -> Standing:
        """Rebuild what stands from the columns of `invoices`."""
        if not penalties:
            return cls(reward_group_id, reward, settled_on)
        read = [Penalty(int(k), date.fromisoformat(str(on)), int(points)) for k, (points, on) in penalties.items()]
        return cls(reward_group_id, reward, settled_on, tuple(sorted(read, key=lambda penalty: penalty.stage)))


class Difference(NamedTuple):
    """A change of what an invoice gives to (or takes from) a reward group by one rule: an entry to be written."""

    kind: Literal["reward", "penalty"]
    stage: int
    """1..n for penalties, 0 for the reward."""
    reward_group_id: int
    points_before: int
    points_after: int
    effective_on: date
    """Settled on, or the stage's date."""

    @property
    def delta(self) -> int:
        """What the change adds to the group's balance, in points."""
        return self.points_after - self.points_before


def stored_penalties(penalties: tuple[Penalty, ...]) -> dict[str, list[int | str]]:
    """Return penalties as the column `invoices.penalties` holds them; `Standing.from_stored` reads them back."""
    return {str(penalty.stage): [penalty.points, penalty.on.isoformat()] for penalty in penalties}


def differences(before: Worth | Standing, after: Worth | Standing) -> list[Difference]:
    """Return what changes between two worths of one invoice: the reward first, then penalties by stage.

    One difference a kind and stage whose points changed; a date alone that moves is none. Where the reward group
    changed, all that stood is taken from the old group before it is given to the new one. Raises `ValueError` where a
    side has points but no reward group, since nobody's balance could hold them.
    """
    if before.reward_group_id == after.reward_group_id:
        if before.reward == after.reward and before.penalties == after.penalties:
            return []
        return _changes(before, after, _group_of(after))
    nothing = Standing()
    found = _changes(before, nothing, _group_of(before)) if _has_points(before) else []
    if _has_points(after):
        found += _changes(nothing, after, _group_of(after))
    return found


def _changes(before: Worth | Standing, after: Worth | Standing, reward_group_id: int) -> list[Difference]:
    found = []
    if before.reward != after.reward:
        effective_on = after.settled_on or before.settled_on
        if effective_on is None:
            raise ValueError("a reward of an invoice that is not settled")
        found.append(Difference("reward", 0, reward_group_id, before.reward, after.reward, effective_on))
    if before.penalties == after.penalties:
        return found
    stood = {penalty.stage: penalty for penalty in before.penalties}
    stands = {penalty.stage: penalty for penalty in after.penalties}
    for stage in sorted(stood.keys() | stands.keys()):
        old, new = stood.get(stage), stands.get(stage)
        points_before, points_after = old.points if old else 0, new.points if new else 0
        if points_before != points_after:
            # One of the two stands, for the stage comes from them.
            effective_on = (new or stood[stage]).on
            found.append(Difference("penalty", stage, reward_group_id, points_before, points_after, effective_on))
    return found


def _has_points(worth: Worth | Standing) -> bool:
    return worth.reward != 0 or bool(worth.penalties)


def _group_of(worth: Worth | Standing) -> int:
    if worth.reward_group_id is None:
        raise ValueError("an invoice that has points belongs to no reward group")
    return worth.reward_group_id
