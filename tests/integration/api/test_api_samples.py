"""The samples are what a migration of the legacy sample gives (shared/legacy): every row, as it was worked out by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.api.servers import Postgres


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


FIRST_DAY = at("2011-01-01 07:00")
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "SELECT id, code, name, sort_order FROM divisions": [
        (1, "SBM", "Sunroc Building Materials, Inc.", 1),
        (2, "SRC", "Sunroc Corporation", 2),
        (3, "GRP", "Geneva Rock Products, Inc.", 3),
        (4, "WWC", "W. W. Clyde & Co.", 4),
        (5, "SCI", "Scott Contracting, Inc.", 5),
        (6, "DDF", "DDF, Inc.", 6),
    ],
    "SELECT id, name, sort_order FROM user_roles": [
        (1, "Administrator", 1), (2, "Manager", 2), (3, "Sales", 3), (4, "Customer", 4), (9, "No Access", 5),
    ],
    "SELECT id, name, status, enrolled_at FROM reward_groups": [
        (1, "Wasatch Framing", "open", at("2011-01-15 15:00")),
        (2, "Peña & Sons", "open", at("2012-07-01 05:59:59")),
        (3, "Timp Builders", "hold", at("2014-03-09 09:30")),
        (7, "Old Mill \u2019\u20acLLC", "closed", FIRST_DAY),
        (12, "Ünïcode Homes", "open", at("2019-11-03 07:30")),
    ],
    "SELECT id, reward_group_id, customer_master_id, enrolled_at FROM customers_reward_groups": [
        (1, 1, "M-1001", dt.date(2011, 1, 15)),
        (2, 2, "M-1002", dt.date(2012, 6, 30)),
        (3, 3, "M-1003", dt.date(2014, 3, 9)),
        (4, 7, "M-1007", dt.date(2011, 1, 1)),
        (5, 12, "M-1012", dt.date(2019, 11, 3)),
    ],
    "SELECT id, code, name, division_id, customer_master_id, status FROM customers": [
        ("BT-000101", "WASFR", "Wasatch Framing", 1, "M-1001", "A"),
        ("BT-000102", "TIMP", "Timp Builders", 1, "M-1003", "H"),
        ("BT-000103", "OLDM", "Old Mill LLC", 1, "M-1007", "C"),
        ("BT-000104", "UNI", "Ünïcode Homes", None, "M-1012", "A"),
        ("BT-000105", "LOST", "Peréz Concrete", None, None, "A"),
        ("CM-000101", "WASFR", "Wasatch Framing (ready mix)", 3, "M-1001", "A"),
        ("VI-000077", "PENA", "Peña & Sons", 4, "M-1002", "A"),
    ],
    "SELECT id, reward_group_id, role_id, email, name, password_salt, password_expired,"
    " terms_conditions_accepted_at, created_by_id, created_at FROM users": [
        (1, None, 1, "Admin@Example.com", "Admin", None, False, FIRST_DAY, None, FIRST_DAY),
        (2, 1, 4, "joe@wasatch.example", "Joe O'Neill", None, False, at("2011-01-16 16:10:11"), 1,
         at("2011-01-16 16:10:11")),
        (3, 2, 4, "maria@pena.example", "María Peña", None, True, None, 1, FIRST_DAY),
        (5, 7, 9, "old@mill.example", None, None, True, at("2013-03-10 09:15"), None, at("2013-03-10 09:15")),
        (8, 12, 4, "JOE@unicode.example", "Jöe", None, False, at("2019-11-03 07:30"), 1, at("2019-11-03 07:30")),
    ],
    "SELECT id, title, points_value_input, sort_order FROM prizes": [
        (1, "Gift card", True, 1),
        (2, "Las Vegas trip \u2014 3 nights", False, 2),
        (3, 'Cooler 45 qt (12" \u00d7 18")', False, 3),
        (4, "Cash \u20ac\u21225", False, 4),
    ],
    "SELECT id, prize_id, title, points_cost, dollar_value, expires_on, sort_order, info_required,"
    " international_info_required FROM prize_options": [
        (1, 1, "$50", 6000, Decimal("50.00"), None, 1, False, False),
        (2, 1, "$100", 11500, Decimal("100.00"), None, 2, False, False),
        (3, 2, "Double room", 180000, Decimal("1499.99"), dt.date(2020, 12, 31), 1, True, False),
        (4, 2, "Cancún, double room", 320000, Decimal("2999.99"), None, 2, True, True),
        (5, 3, "Navy", 42000, Decimal("349.95"), None, 1, False, False),
    ],
}  # fmt: skip


@pytest.mark.parametrize("query", ROWS, ids=lambda query: query.rpartition(" ")[2])
def test_samples_are_what_the_migration_gives(postgres: Postgres, database: str, query: str) -> None:
    with postgres.admin(database) as cursor:
        # The cluster has no locale, so ids of text are ordered by their bytes.
        cursor.execute(f"{query} ORDER BY id")
        assert cursor.fetchall() == ROWS[query]


def test_every_sequence_goes_on_after_the_samples(postgres: Postgres, database: str) -> None:
    highest = {
        "divisions": 6,
        "reward_groups": 12,
        "customers_reward_groups": 5,
        "users": 8,
        "prizes": 4,
        "prize_options": 5,
    }
    with postgres.admin(database) as cursor:
        for table, number in highest.items():
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", (table,))
            assert cursor.fetchone() == (number + 1,), table
