"""A legacy database as large as a real one: 50,000 customers, 500,000 redemptions, dirt in one row of a hundred.

Its texts are ASCII, or have an accent in every row, or are long.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pymysql

ROWS_A_STATEMENT = 1_000
GROUPS = 10_000
OPTIONS = 120
TRAVEL_SHARE = 0.1
"""Of redemptions, those that need a passport and a birth date."""


@dataclass(frozen=True, slots=True)
class Names:
    """What people and groups are called."""

    words: tuple[str, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]


ASCII = Names(
    (
        "Summit", "Canyon", "Granite", "Ridge", "Cedar", "Valley", "Timber", "Stone", "Copper", "Harvest", "Lakeside", "Foothill",
        "Aspen", "Red", "Rock",
    ),
    ("Joe", "Maria", "Ann", "Peter", "Luke", "Olivia", "Sam", "Ruth", "Carl", "Ines", "Tom", "Grace"),
    ("O'Neill", "Smith", "Larsen", "Young", "Jensen", "Brown", "Clyde", "Scott", "Hansen", "Moore", "Taylor", "Allen"),
)  # fmt: skip
ACCENTED = Names(("Peña",), ("José", "María"), ("Peña",))


def fill(
    connection: pymysql.Connection[Any],
    *,
    customers: int = 50_000,
    redemptions: int = 500_000,
    dirt: float = 0.01,
    names: Names = ASCII,
    description_bytes: int = 0,
    seed: int = 1,
) -> None:
    """Add to the sample's tables, in the ids from 1,000 on.

    Args:
        connection: to the sample, in no strict mode.
        customers: how many.
        redemptions: how many.
        dirt: share of rows that are to be changed on their way.
        names: what people and groups are called.
        description_bytes: of every redemption; every other one has an accent in it. Without: a short one.
        seed: of the random choices.
    """
    chance = random.Random(seed)
    users = GROUPS
    _insert(
        connection,
        "rewards_groups",
        ((1_000 + i, f"{_pick(chance, names.words)} {i}", "open", _moment(chance, dirt)) for i in range(GROUPS)),
    )
    _insert(
        connection,
        "rewards",
        ((1_000 + i, 1_000 + i % GROUPS, f"M-{100_000 + i}", _moment(chance, 0)) for i in range(customers // 2)),
    )
    _insert(connection, "users", (_user(chance, i, dirt, names) for i in range(users)))
    _insert(connection, "customers", (_customer(chance, i, dirt, names) for i in range(customers)))
    _insert(connection, "prizes", ((1_000 + i, f"Prize {i}", 0, i) for i in range(OPTIONS // 3)))
    _insert(connection, "prizes_options", (_option(i) for i in range(OPTIONS)))
    _insert(
        connection,
        "prizes_redemptions_batch",
        ((1_000 + i, f"Batch {i}", 1, _moment(chance, dirt)) for i in range(200)),
    )
    _insert(
        connection,
        "property_development_points",
        (
            (1_000 + i, 1_000 + i % GROUPS, "SBM", chance.randrange(50_000), "Ridge", str(i), 1, _moment(chance, dirt))
            for i in range(5_000)
        ),
    )
    _insert(
        connection,
        "points_adjustments",
        (
            (1_000 + i, 1_000 + i % GROUPS, "GRP", "Goodwill", chance.randrange(-500, 5_000), 1, _moment(chance, dirt))
            for i in range(5_000)
        ),
    )
    _insert(connection, "prizes_redemptions", (_redemption(chance, i, users, dirt, names) for i in range(redemptions)))
    if description_bytes:
        _lengthen(connection, description_bytes)
    connection.commit()


def _lengthen(connection: pymysql.Connection[Any], size: int) -> None:
    with connection.cursor() as cursor:
        # The accent takes the place of one byte: the column is latin1.
        cursor.execute(
            "UPDATE prizes_redemptions SET description = CONCAT(REPEAT('0123456789abcdef', %s), IF(pr_id %% 2, 'é', 'e'))",
            [size // 16],
        )


def _user(chance: random.Random, i: int, dirt: float, names: Names) -> tuple[Any, ...]:
    name = "María" if chance.random() < dirt else _pick(chance, names.first)
    return (
        1_000 + i, 1_000 + i % GROUPS, 4, f"user{i}@example.com", f"{name} {_pick(chance, names.last)}", f"{i:064x}", f"{i:032x}",
        0, 1, None, None, None, 1, _moment(chance, dirt),
    )  # fmt: skip


def _customer(chance: random.Random, i: int, dirt: float, names: Names) -> tuple[Any, ...]:
    name = (
        "Pérez Concrete"
        if chance.random() < dirt
        else f"{_pick(chance, names.words)} {_pick(chance, names.words)} Inc. {i}"
    )
    return (
        f"BT-{200_000 + i}",
        f"C{i}",
        name,
        "A",
        _pick(chance, ["SBM", "SRC", "GRP", "WWC"]),
        f"M-{100_000 + i}",
        "A",
        None,
        None,
        1,
        i,
    )


def _option(i: int) -> tuple[Any, ...]:
    return (1_000 + i, 1_000 + i // 3, f"Option {i}", 1_000 * (1 + i), 50, None, i % 3, 0, 0)


def _redemption(chance: random.Random, i: int, users: int, dirt: float, names: Names) -> tuple[Any, ...]:
    user, option = chance.randrange(users), chance.randrange(OPTIONS)
    travels = chance.random() < TRAVEL_SHARE
    row: list[Any] = [
        1_000 + i, 1_000 + i % 200, 1_000 + user, 1_000 + user % GROUPS, 1_000 + option // 3, 1_000 + option, 1_000 * (1 + option),
        10, 20, 20, 0, f"Ordered by phone, number {i}", _pick(chance, names.first), _pick(chance, names.last),
        dt.date(1950, 1, 1) + dt.timedelta(days=chance.randrange(18_000)) if travels else None, "801-555-0101", f"user{user}@example.com",
        "JOSEPH ONEILL" if travels else None, f"P{chance.randrange(10**7):07}" if travels else None,
        dt.date(2015, 5, 5) if travels else None, dt.date(2025, 5, 5) if travels else None,
        f"{i % 900} Main St", "Provo", "UT", "84601", _pick(chance, ["M", "F", None]), 1, _moment(chance, 0),
    ]  # fmt: skip
    if chance.random() < dirt:
        place, value = _pick(chance, DIRT)
        row[place] = value
    return tuple(row)


DIRT: list[tuple[int, Any]] = [
    (11, "First line\r\nsecond line"),
    (11, "Tab\there, back\\slash, \\N, NUL:\0."),
    (11, "50 € gift card – “best”"),
    (12, "PÃ©rez"),
    (13, "Peña"),
    (14, "1980-00-00"),
    (19, "0000-00-00"),
    (25, ""),
    (27, "0000-00-00 00:00:00"),
    (27, "2019-03-10 02:30:00"),
    (0 + 1, 77),
]
"""Column and value: line ends, tabs, backslashes, NUL, cp1252, double encoding, part-zero dates, the gap, a batch of nobody."""


def _pick(chance: random.Random, among: Sequence[Any]) -> Any:
    return among[int(chance.random() * len(among))]


def _moment(chance: random.Random, dirt: float) -> str:
    if chance.random() < dirt:
        return "0000-00-00 00:00:00"
    moment = dt.datetime(2012, 1, 1, 8, tzinfo=dt.UTC) + dt.timedelta(seconds=chance.randrange(3 * 10**8))
    return f"{moment.replace(hour=8 + moment.hour % 12):%Y-%m-%d %H:%M:%S}"


def _insert(connection: pymysql.Connection[Any], table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        for some in _cut(rows, ROWS_A_STATEMENT):
            marks = ", ".join(["(" + ", ".join(["%s"] * len(some[0])) + ")"] * len(some))
            cursor.execute(f"INSERT INTO {table} VALUES {marks}", [value for row in some for value in row])


def _cut(rows: Iterable[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    waiting: list[tuple[Any, ...]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
