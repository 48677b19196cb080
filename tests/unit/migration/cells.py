"""What rules are tried with: a cell of a table, and what comes of a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from migration.rules.rule import Cell, Context, Finding, Key, Rule, Value


def cell(
    encoding: str = "latin1",
    *,
    table: str = "a_table",
    zone: str = "America/Denver",
    business_zone: str = "America/Denver",
    accepted: Mapping[str, Mapping[Key, int]] | None = None,
    ranks: Mapping[str, Mapping[float, int]] | None = None,
) -> Cell:
    context = Context(ZoneInfo(zone), ZoneInfo(business_zone), accepted or {}, ranks or {})
    return Cell(table, "a_column", encoding, context)


def applied(rule: Rule, *raws: bytes | None, at: Cell | None = None) -> tuple[Value, list[tuple[str, Any, Any]]]:
    """The new value, and rule, old and new of each finding."""
    findings: list[Finding] = []
    value = rule.apply(raws, at or cell(), findings)
    assert all(finding.column == "a_column" for finding in findings)
    return value, [(finding.rule, finding.old, finding.new) for finding in findings]
