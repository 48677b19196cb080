from __future__ import annotations

import datetime as dt

from api.redemptions.queries import Traveller
from api.redemptions.schemas import TravellerOut


def test_personal_details_are_in_no_repr() -> None:
    found = Traveller("Joe O'Neill", "JOSEPH O'NEILL", dt.date(1975, 7, 4), "P7654321", None, None)
    for shown in (repr(found), repr(TravellerOut.model_validate(found)), str(TravellerOut.model_validate(found))):
        assert "JOSEPH" in shown
        assert "P7654321" not in shown
        assert "1975" not in shown
