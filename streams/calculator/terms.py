"""The program's terms: every value marked *(term)* in program-terms.md, as one immutable value.

Whoever calls `points.evaluate` reads them from the tables `program_terms` and `rates`; nothing here knows a table.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple, Self

from streams.calculator import checks
from streams.errors import SettingsError

_TIMELINES_MAX: Final = 10_000
"""Product lines are free text in the warehouse: what is memoised for them must not grow for ever."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A row of the rate table; None in `company` or `product_line` stands for any."""

    company: str | None
    product_line: str | None
    points_per_dollar: Decimal
    effective_on: date


class _Timeline(NamedTuple):
    """The rate of one company and product line over time: `rates[i]` from `since[i]` until the next."""

    since: list[date]
    rates: list[Rate]


_DEFAULT_RATES: Final = (
    Rate(None, None, Decimal(1), date(1900, 1, 1)),
    Rate(None, "Construction", Decimal("0.25"), date(1900, 1, 1)),
)


@dataclass(frozen=True)
class Terms:
    """All terms. A wrong value is refused when they are made: `SettingsError`, naming the field."""

    program_start: date = date(2011, 1, 1)
    """Rows dated before count for nothing."""
    enrolled_before: date = date(2011, 10, 1)
    """Who enrolled before this day has all rows since the program's start counted, others those since they enrolled."""
    days_until_due: int = 30
    """From the earliest invoice row, where no row has a due date."""
    deadline_months: int = 0
    """The deadline is the last day of the month so many months after the due date's."""
    stage_days: tuple[int, ...] = (31, 61, 91, 121)
    """Standard scheme: days from the due date to each penalty stage."""
    paid_share: Decimal = Decimal("0.5")
    """Standard scheme: a stage takes nothing where at least this share of what was billed is paid."""
    penalty_factor: Decimal = Decimal(1)
    """Standard scheme: points taken a dollar open."""
    penalty_scheme: Literal["standard", "public"] = "standard"
    public_stage_days: int = 30
    """Public scheme: days from the due date to the first stage, and from each stage to the next, without an end."""
    timezone: str = "America/Denver"
    """The zone whose date is the business date."""
    redeem_factor: int = 2
    """A group can redeem at most so many times the points of `redeem_company`."""
    redeem_company: str = "SBM"
    inactive_years: int = 2
    """After so long without an invoice row a group is listed for closing."""
    rates: tuple[Rate, ...] = _DEFAULT_RATES
    """Kept in one order, whatever order they are given in."""

    _timelines: dict[tuple[str, str | None], _Timeline] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Memory of `rate_for`; no part of the terms' value."""

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            check(name, getattr(self, name))
        object.__setattr__(self, "rates", tuple(sorted(self.rates, key=_rate_order)))
        _check_rates(self.rates)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], rates: Iterable[Rate]) -> Self:
        """Make terms of stored settings (JSON: dates and decimals as text) and the rows of the rate table.

        What is not set has its default. Raises `SettingsError` where a setting is unknown, unreadable or out of its
        range; the text names it.
        """
        if unknown := sorted(set(settings) - _CHECKS.keys()):
            raise SettingsError(f"{unknown[0]}: no such term; the terms are {', '.join(_CHECKS)}")
        values: dict[str, Any] = {name: _READ.get(name, checks.as_it_is)(name, settings[name]) for name in settings}
        return cls(**values, rates=tuple(rates))

    def to_settings(self) -> dict[str, Any]:
        """Return all terms but the rates as JSON-able values: what `from_settings` reads back to equal terms."""
        return {name: _as_json(getattr(self, name)) for name in _CHECKS}

    def rate_for(self, company: str, product_line: str | None, on: date) -> Rate | None:
        """Return the rate in force on a row's date; None where none is (the row then earns 0 points).

        The most specific pattern that has a row in force wins (company and product line, product line, company, any),
        and within it the latest row (program-terms.md, Reward).
        """
        timeline = self._timelines.get((company, product_line))
        if timeline is None:
            timeline = self._remember(company, product_line)
        at = bisect_right(timeline.since, on)
        return timeline.rates[at - 1] if at else None

    def _remember(self, company: str, product_line: str | None) -> _Timeline:
        if len(self._timelines) >= _TIMELINES_MAX:
            self._timelines.clear()
        timeline = self._timelines[company, product_line] = _timeline(self.rates, company, product_line)
        return timeline


_DAYS_MAX: Final = 36_500
_CHECKS: Final[dict[str, checks.Check]] = {
    "program_start": checks.a_date,
    "enrolled_before": checks.a_date,
    "days_until_due": checks.int_between(0, _DAYS_MAX),
    "deadline_months": checks.int_between(0, 1_200),
    "stage_days": checks.rising_days,
    # Above 1 a settled invoice could be penalised; below 0 none ever would.
    "paid_share": checks.decimal_between(Decimal(0), Decimal(1)),
    "penalty_factor": checks.decimal_between(Decimal(0), Decimal(1_000)),
    "penalty_scheme": checks.one_of("standard", "public"),
    "public_stage_days": checks.int_between(1, _DAYS_MAX),
    "timezone": checks.a_zone,
    "redeem_factor": checks.int_between(0, 1_000_000),
    "redeem_company": checks.a_text,
    "inactive_years": checks.int_between(1, 1_000),
}
_READ: Final[dict[str, Callable[[str, object], object]]] = {
    "program_start": checks.read_date,
    "enrolled_before": checks.read_date,
    "stage_days": checks.read_list,
    "paid_share": checks.read_decimal,
    "penalty_factor": checks.read_decimal,
}
_check_points_per_dollar: Final = checks.decimal_between(Decimal(0), Decimal("999999.999999"))


def _check_rates(rates: tuple[Rate, ...]) -> None:
    for rate in rates:
        where = f"{rate.company or 'any company'}, {rate.product_line or 'any product line'}, {rate.effective_on}"
        checks.a_date(f"rates, {where}, effective_on", rate.effective_on)
        _check_points_per_dollar(f"rates, {where}, points_per_dollar", rate.points_per_dollar)
    for rate, following in pairwise(rates):
        if _rate_order(rate) == _rate_order(following):
            raise SettingsError(f"rates: two rows for one company, product line and date: {rate} and {following}")


def _rate_order(rate: Rate) -> tuple[bool, str, bool, str, date]:
    company, product_line = rate.company, rate.product_line
    return company is not None, company or "", product_line is not None, product_line or "", rate.effective_on


def _timeline(rates: Iterable[Rate], company: str, product_line: str | None) -> _Timeline:
    matching = [rate for rate in rates if rate.company in {None, company} and rate.product_line in {None, product_line}]
    since = sorted({rate.effective_on for rate in matching})
    return _Timeline(since, [max((r for r in matching if r.effective_on <= on), key=_precedence) for on in since])


def _precedence(rate: Rate) -> tuple[bool, bool, date]:
    return rate.product_line is not None, rate.company is not None, rate.effective_on


def _as_json(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


DEFAULT_TERMS: Final = Terms()
