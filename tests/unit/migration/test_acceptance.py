from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias
from zoneinfo import ZoneInfo

import pytest

from migration.acceptance import SHOWN, Acceptance, accept
from migration.errors import MigrationError
from migration.map import MASTER_ACCOUNTS, TABLES
from migration.rules.rule import Raw, Zones

Rows: TypeAlias = list[dict[str, object]]
ZONES = Zones(ZoneInfo("America/Denver"), ZoneInfo("America/Denver"))


def _read(tables: dict[str, Rows]):
    def read(table: str, columns: Sequence[str]) -> Iterator[tuple[Raw, ...]]:
        for row in tables.get(table, []):
            values = [row.get(column) for column in columns]
            yield tuple(
                v if isinstance(v, bytes) or v is None else v.encode("cp1252") if isinstance(v, str) else b"%d" % v
                for v in values
            )

    return read


def _accepted(*, merge_emails: bool = False, **tables: Rows) -> Acceptance:
    return accept(_read(tables), {}, ZONES, merge_emails=merge_emails)


def _user(number: int, email: str, created_on: str = "2015-01-01 00:00:00", role: int = 4) -> dict[str, object]:
    return {"u_id": number, "role_id": role, "email": email, "created_on": created_on}


ROLES: Rows = [{"role_id": 4, "sort_order": "1"}]


def test_rows_that_refer_to_what_is_there_are_accepted() -> None:
    found = _accepted(
        prizes=[{"prize_id": 1, "sort_order": "1"}],
        prizes_options=[{"po_id": 5, "prize_id": 1, "option_sort_order": "1"}],
        user_roles=ROLES,
        users=[_user(2, "joe@example.com")],
        rewards_groups=[{"rewards_id": 7}, {"rewards_id": 4294967295}],
    )

    assert found.context.accepted["prizes_options"] == {5: 5}
    assert found.context.accepted["users"] == {2: 2}
    assert found.context.accepted["rewards_groups"] == {7: 7, 4294967295: 4294967295}
    assert found.merged == {}


def test_refused_rows_take_with_them_what_needs_them() -> None:
    found = _accepted(
        user_roles=ROLES,
        users=[_user(2, "joe@example.com", role=99), _user(3, "ann@example.com")],
        prizes=[{"prize_id": 1, "sort_order": "1"}],
        prizes_options=[
            {"po_id": 5, "prize_id": 88, "option_sort_order": "1"},
            {"po_id": 6, "prize_id": None, "option_sort_order": "1"},
            {"po_id": 7, "prize_id": 1, "option_sort_order": "1"},
        ],
    )

    assert found.context.accepted["users"] == {3: 3}
    assert found.context.accepted["prizes_options"] == {7: 7}


def test_each_table_that_is_referred_to_is_known_before_those_that_refer_to_it() -> None:
    asked: list[str] = []

    def read(table: str, columns: Sequence[str]) -> Iterator[tuple[Raw, ...]]:
        # Spellings of master accounts are looked at before anything else.
        if columns[0] != MASTER_ACCOUNTS:
            asked.append(table)
        return iter(())

    accept(read, {}, ZONES, merge_emails=False)

    for table in TABLES:
        for column in table.required_references():
            to = column.rule.to
            if table.old in asked and to != table.old:
                assert asked.index(to) < asked.index(table.old)


def test_divisions_are_numbered_in_the_order_of_their_place_and_code() -> None:
    found = _accepted(
        divisions=[
            {"division_cd": "SRC", "sort_order": "2"},
            {"division_cd": "GRP", "sort_order": "2.5"},
            {"division_cd": "sbm ", "sort_order": "1"},
            {"division_cd": "WWC", "sort_order": "2"},
            {"division_cd": "ABC", "sort_order": "-1"},
        ]
    )

    assert found.context.accepted["divisions"] == {"abc": 1, "sbm": 2, "src": 3, "wwc": 4, "grp": 5}


def test_sort_orders_become_dense_places_and_ties_stay_ties() -> None:
    found = _accepted(
        prizes=[
            {"prize_id": n, "sort_order": order} for n, order in enumerate(["9", "1", "1.5", "1", "1e20", None, "-2"])
        ],
        prizes_options=[{"po_id": 1, "prize_id": 1, "option_sort_order": "7"}],
    )

    assert found.context.ranks["prizes"] == {-2.0: 1, 1.0: 2, 1.5: 3, 9.0: 4, 1e20: 5}
    assert found.context.ranks["prizes_options"] == {7.0: 1}


def test_emails_that_differ_in_case_only_stop_the_load_with_their_names() -> None:
    users = [
        _user(1, "Joe@Example.com"),
        _user(2, "ann@example.com"),
        _user(20, "JOE@example.com"),
        _user(21, "joe@example.com"),
    ]

    with pytest.raises(MigrationError) as stopped:
        _accepted(user_roles=ROLES, users=users)

    told = str(stopped.value)
    assert told.startswith("1 e-mail of users differ")
    for name in ("Joe@Example.com (user 1)", "JOE@example.com (user 20)", "joe@example.com (user 21)"):
        assert name in told
    assert "ann" not in told
    assert "--merge-emails oldest" in told


def test_many_emails_that_differ_in_case_only_are_counted_and_the_first_named() -> None:
    users = [
        _user(2 * n + upper, f"{'U' if upper else 'u'}{n}@example.com") for n in range(SHOWN + 5) for upper in (0, 1)
    ]

    with pytest.raises(MigrationError) as stopped:
        _accepted(user_roles=ROLES, users=users)

    told = str(stopped.value)
    assert told.startswith(f"{SHOWN + 5} e-mails of users differ")
    assert told.count("(user ") == 2 * SHOWN
    assert " …" in told


def test_accents_of_emails_count_and_their_case_does_not() -> None:
    with pytest.raises(MigrationError, match=r"ÄNN@example\.com \(user 3\)"):
        _accepted(
            user_roles=ROLES,
            users=[_user(1, "ann@example.com"), _user(2, "änn@example.com"), _user(3, "ÄNN@example.com")],
        )


def test_merging_lets_the_oldest_user_take_the_others_place() -> None:
    found = _accepted(
        merge_emails=True,
        user_roles=ROLES,
        users=[
            _user(1, "Joe@Example.com", "2015-01-02 00:00:00"),
            _user(9, "JOE@example.com", "2015-01-01 00:00:00"),
            _user(5, "joe@example.com", "2015-01-01 00:00:00"),
            _user(7, "ann@example.com"),
        ],
    )

    assert found.merged == {1: 5, 9: 5}
    assert found.context.accepted["users"] == {1: 5, 5: 5, 7: 7, 9: 5}


def test_refused_user_is_nobodys_double() -> None:
    users = [_user(1, "Joe@Example.com", role=99), _user(2, "joe@example.com")]

    found = _accepted(user_roles=ROLES, users=users)

    assert found.context.accepted["users"] == {2: 2}
    assert found.merged == {}


def test_cell_of_a_joined_column_is_read_in_that_tables_encoding() -> None:
    found = accept(
        _read({}),
        {("rewards_groups", "created_on"): "cp1250", ("customers", "customer_name"): "utf-8"},
        ZONES,
        merge_emails=False,
    )
    tables = {table.old: table for table in TABLES}
    joined = next(column for column in tables["rewards"].columns if column.old == "rewards_groups.created_on")
    name = next(column for column in tables["customers"].columns if column.new == "name")
    number = tables["customers"].columns[0]

    assert found.cell(tables["rewards"], joined).encoding == "cp1250"
    assert found.cell(tables["customers"], name).encoding == "utf-8"
    assert found.cell(tables["customers"], number).encoding == "latin1"


def _customer(key: str, account: object) -> dict[str, object]:
    return {"customer_id": key, "master_acct_id": account}


def _member(number: int, account: object, created_on: str = "2015-01-01 00:00:00") -> dict[str, object]:
    return {"r_id": number, "rewards_id": 7, "master_acct_id": account, "created_on": created_on}


GROUPS: Rows = [{"rewards_id": 7}]


@pytest.mark.parametrize(
    ("customers", "members", "spellings"),
    [
        ([_customer("A", "M-1")], [_member(1, "M-1")], {}),
        ([_customer("A", "M-1")], [_member(1, "m-1")], {"m-1": "M-1"}),
        ([_customer("A", "M-1")], [_member(1, "M-1  ")], {"M-1  ": "M-1"}),
        ([_customer("A", "M-1 ")], [_member(1, "M-1")], {"M-1": "M-1 "}),
        # Spaces in front were told apart.
        ([_customer("A", "M-1")], [_member(1, " M-1")], {}),
        # The first customer by its id; the most memberships do not matter.
        ([_customer("B", "m-1"), _customer("A", "M-1"), _customer("C", "m-1")], [_member(1, "m-1")], {"m-1": "M-1"}),
        ([_customer("A", None)], [_member(1, "M-2", "2015-01-02 00:00:00"), _member(2, "m-2")], {"M-2": "m-2"}),
        ([], [_member(2, "M-2"), _member(1, "m-2")], {"M-2": "m-2"}),
        # As the rules make them: encoded twice, with a NUL.
        ([_customer("A", b"\xc3\x83\xc2\xa9")], [_member(1, b"\xe9 ")], {}),
        ([_customer("A", "M-1")], [_member(1, "m-1\0")], {"m-1": "M-1"}),
        ([_customer("A", "")], [_member(1, " ")], {" ": ""}),
    ],
)
def test_master_accounts_that_the_server_held_for_equal_are_written_in_one_way(
    customers: Rows, members: Rows, spellings: dict[str, str]
) -> None:
    read = _read({"customers": customers, "rewards": [], "rewards_groups": GROUPS})
    also = _read({"rewards": members})

    # Memberships are refused here, so that none of them is one too many.
    def both(table: str, columns: Sequence[str]) -> Iterator[tuple[Raw, ...]]:
        yield from (also if table == "rewards" and columns[0] == MASTER_ACCOUNTS else read)(table, columns)

    assert accept(both, {}, ZONES, merge_emails=False).context.spellings == spellings


def test_master_accounts_that_the_server_told_apart_by_their_case_stay_two() -> None:
    cased = {("rewards", "master_acct_id"), ("customers", "master_acct_id")}
    tables: dict[str, Rows] = {
        "rewards_groups": GROUPS,
        "customers": [_customer("A", "M-1")],
        "rewards": [_member(1, "m-1"), _member(2, "M-1 ", "2016-01-01 00:00:00")],
    }

    found = accept(_read(tables), {}, ZONES, merge_emails=False, cased=cased)

    assert found.context.spellings == {"M-1 ": "M-1"}


def test_two_memberships_that_become_one_stop_the_load_and_are_named() -> None:
    with pytest.raises(MigrationError, match="table rewards, keys 1 and 2, column master_acct_id: both are 'M-1'"):
        _accepted(
            rewards_groups=GROUPS, customers=[_customer("A", "M-1")], rewards=[_member(1, "m-1"), _member(2, "M-1 ")]
        )


def test_emails_are_compared_without_the_spaces_around_them() -> None:
    with pytest.raises(MigrationError, match=r"joe@example\.com \(user 1\), Joe@example\.com \(user 2\)"):
        _accepted(user_roles=ROLES, users=[_user(1, " joe@example.com"), _user(2, "Joe@example.com \t")])
