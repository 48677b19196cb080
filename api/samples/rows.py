"""The rows of the sample, table by table, as the migration makes them of the legacy sample.

The sample logins are defined here and nowhere else. A migration of the legacy sample into a stack with sample data finds the
same rows, with the same ids (tests/integration/api/test_api_samples.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from api.core.permissions import Role


@dataclass(frozen=True, slots=True)
class SampleLogin:
    """A user of the sample with its password, which is no secret."""

    user_id: int
    email: str
    password: str
    name: str | None
    role: Role
    reward_group_id: int | None
    created_at: dt.datetime
    sees: str
    """What one can try out with it."""
    created_by: str | None = "Admin@Example.com"
    password_expired: bool = False
    terms_accepted: bool = True


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """A reward group of the sample with its one customer; both have been there since the same moment."""

    id: int
    name: str
    status: str
    membership_id: int
    customer_master_id: str
    enrolled_at: dt.datetime


_DENVER: Final = ZoneInfo("America/Denver")


def _denver(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> dt.datetime:
    """Return a moment by the legacy database's clock."""
    return dt.datetime(year, month, day, hour, minute, second, tzinfo=_DENVER)


_NEVER: Final = _denver(2011, 1, 1)
"""A zero date becomes this where there has to be a date."""

DIVISIONS: Final = {
    "SBM": "Sunroc Building Materials, Inc.",
    "SRC": "Sunroc Corporation",
    "GRP": "Geneva Rock Products, Inc.",
    "WWC": "W. W. Clyde & Co.",
    "SCI": "Scott Contracting, Inc.",
    "DDF": "DDF, Inc.",
}
"""Name by code, in their order: the ids are their places."""

GROUPS: Final = (
    SampleGroup(1, "Wasatch Framing", "open", 1, "M-1001", _denver(2011, 1, 15, 8)),
    SampleGroup(2, "Peña & Sons", "open", 2, "M-1002", _denver(2012, 6, 30, 23, 59, 59)),
    # The clock went from 2:00 to 3:00 that night: the legacy database says 2:30.
    SampleGroup(3, "Timp Builders", "hold", 3, "M-1003", _denver(2014, 3, 9, 3, 30)),
    SampleGroup(7, "Old Mill ’€LLC", "closed", 4, "M-1007", _NEVER),  # noqa: RUF001 - as it stands there
    # The clock showed 1:30 twice that night; the first time counts.
    SampleGroup(12, "Ünïcode Homes", "open", 5, "M-1012", _denver(2019, 11, 3, 1, 30)),
)

CUSTOMERS: Final = (
    ("BT-000101", "WASFR", "Wasatch Framing", "SBM", "M-1001", "A"),
    ("CM-000101", "WASFR", "Wasatch Framing (ready mix)", "GRP", "M-1001", "A"),
    ("VI-000077", "PENA", "Peña & Sons", "WWC", "M-1002", "A"),
    ("BT-000102", "TIMP", "Timp Builders", "SBM", "M-1003", "H"),
    ("BT-000103", "OLDM", "Old Mill LLC", "SBM", "M-1007", "C"),
    ("BT-000104", "UNI", "Ünïcode Homes", None, "M-1012", "A"),
    # The legacy sample's bytes have the accent on the second e, whatever its comment says.
    ("BT-000105", "LOST", "Peréz Concrete", None, None, "A"),
)
"""Id, code, name, division, customer_master_id, status."""

PRIZES: Final = (
    ("Gift card", True),
    ("Las Vegas trip — 3 nights", False),
    ('Cooler 45 qt (12" × 18")', False),  # noqa: RUF001 - as it stands there
    ("Cash €™5", False),
)
"""Title, and whether its points are put in; in their order: the ids are their places."""

PRIZE_OPTIONS: Final = (
    (1, 1, "$50", 6_000, "50.00", None, 1, False, False),
    (2, 1, "$100", 11_500, "100.00", None, 2, False, False),
    (3, 2, "Double room", 180_000, "1499.99", dt.date(2020, 12, 31), 1, True, False),
    (4, 2, "Cancún, double room", 320_000, "2999.99", None, 2, True, True),
    (5, 3, "Navy", 42_000, "349.95", None, 1, False, False),
)
"""Id, prize, title, points, dollars, end, place, and whether personal details and those for going abroad are needed."""

# The passwords are the legacy sample's own, for trying out.
LOGINS: Final = (
    SampleLogin(
        1, "Admin@Example.com", "correct horse", "Admin", Role.ADMINISTRATOR, None, _denver(2011, 1, 1),
        "everything: customers, groups, lag", created_by=None,
    ),
    SampleLogin(
        2, "joe@wasatch.example", "pässwörd", "Joe O'Neill", Role.CUSTOMER, 1, _denver(2011, 1, 16, 9, 10, 11),
        "Wasatch Framing (M-1001)",
    ),
    SampleLogin(
        3, "maria@pena.example", "hunter2", "María Peña", Role.CUSTOMER, 2, _NEVER,
        "Peña & Sons (M-1002), once a new password is chosen: this one has expired",
        password_expired=True, terms_accepted=False,
    ),
    # The clock went from 2:00 to 3:00 that night: the legacy database says 2:15.
    SampleLogin(
        5, "old@mill.example", "x", None, Role.NO_ACCESS, 7, _denver(2013, 3, 10, 3, 15),
        "nothing: the account has been closed", created_by=None, password_expired=True,
    ),
    SampleLogin(
        8, "JOE@unicode.example", "y", "Jöe", Role.CUSTOMER, 12, _denver(2019, 11, 3, 1, 30), "Ünïcode Homes (M-1012)"
    ),
)  # fmt: skip
