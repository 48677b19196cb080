from __future__ import annotations

import pytest
import typer
from pydantic import ValidationError

from migration import commands
from migration.settings import ZoneSettings


def test_zones_are_found() -> None:
    zones = commands._zones("Europe/Berlin", "America/Denver")

    assert (zones.legacy.key, zones.business.key) == ("Europe/Berlin", "America/Denver")


@pytest.mark.parametrize("zone", ["Nowhere/X", "America", "", "../etc/passwd", "/etc/passwd", "Ä", "a\0b"])
def test_legacy_zone_that_is_none_is_wrong_usage(zone: str) -> None:
    with pytest.raises(typer.BadParameter, match="no such time zone"):
        commands._zones(zone, "America/Denver")


@pytest.mark.parametrize("zone", ["Nowhere/X", "America", "", "../etc/passwd", "Ä"])
def test_business_zone_that_is_none_is_a_wrong_setting(zone: str) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        ZoneSettings.model_validate({"timezone": zone})
