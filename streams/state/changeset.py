"""What a batch is computed from, what it is evaluated under, and what it changes. Pure.

Place on the data's way: postgres/sink.py reads a `LoadedState` under the partitions' locks and writes a `Changeset` back; fold.py makes
the one from the other and never changes what it was given, so that a batch that fails leaves a worker's copy as it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.calculator.terms import Terms
from streams.state.causes import RELOAD, Cause
from streams.state.invoices import InvoiceId, InvoiceState
from streams.state.memberships import MembershipState
from streams.state.positions import NOWHERE, Position


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """What a whole batch is evaluated under: terms, date and positions."""

    as_of: dt.date
    terms: Terms
    terms_id: int = 0
    """The version of the terms (program_terms.id) that invoices evaluated here are marked with."""
    retired_before: Position = NOWHERE
    """Rows set before it are gone: the latest truncate or snapshot whose reload is over."""
    retired_by: str = RELOAD
    """Which of the two that was, as a cause: causes.RELOAD or SNAPSHOT."""
    suspect_before: Position = NOWHERE
    """Rows set before it may be gone: the latest truncate or snapshot; whose invoices wait until they are shown again or gone."""
    memberships_retired_before: Position = NOWHERE
    memberships_suspect_before: Position = NOWHERE
    open_transactions: Mapping[int, str] = field(default_factory=dict)
    """Partition -> the source transaction of which more may come."""


@dataclass(slots=True)
class LoadedState:
    """What Postgres holds of everything that a batch touches, read under the partitions' locks."""

    invoices: dict[InvoiceId, InvoiceState] = field(default_factory=dict)
    memberships: dict[str, MembershipState] = field(default_factory=dict)
    invoices_of: dict[str, list[InvoiceId]] = field(default_factory=dict)
    """All invoices of the customers whose membership changes."""


class Entry(NamedTuple):
    """A row of `point_entries` to be written."""

    invoice: InvoiceState
    reward_group_id: int
    kind: str
    stage: int
    points_before: int
    points_after: int
    effective_on: dt.date
    cause: Cause
    sentence: str
    """Of the cause, as Cause.sentence makes it: once for all entries of an evaluation, and for Postgres and the topic alike."""
    cause_data: str
    """Of the cause, as Cause.data makes it, as JSON."""
    facts: str
    """The figures behind it, as JSON."""


@dataclass(slots=True)
class Changeset:
    """What a batch changes, to be written in one transaction."""

    invoices: dict[InvoiceId, InvoiceState] = field(default_factory=dict)
    memberships: dict[str, MembershipState] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    customer_deltas: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """(customer, company) -> [points, pending, at risk] to add."""
    group_deltas: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    """(reward group, company) -> [earned, pending] to add."""
    reloaded_ms: dict[int, int] = field(default_factory=dict)
    """Partition -> commit time of the latest change that showed again a row from before a truncate or a snapshot."""
    memberships_reloaded_ms: dict[int, int] = field(default_factory=dict)
    """The same of memberships."""
