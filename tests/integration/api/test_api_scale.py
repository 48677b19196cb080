"""Pages of large groups and customers: they read what they show, not all that there is, and show it a page at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from api.core.database import Database
from api.core.permissions import SITE
from api.customers.queries import INVOICES_PAGE, read_customer, read_standing
from api.customers.search import find_customers
from api.entries.queries import LogScope, log_entries, points_by_day
from api.groups.queries import MEMBERS_PAGE, group_members, read_group
from bench import ledger as bench_ledger
from bench.ledger import GROUP_OF_LARGEST_CUSTOMER, LARGEST_GROUP, QUICK
from tests.integration.api.conftest import SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres

ADMIN = "Admin@Example.com"
LARGEST, MEMBER = "S-100001", "S-100002"


class Filled:
    """The database that the bench of pages looks at, small."""

    def __init__(self, url: str) -> None:
        self.url = url

    def execute(self, statement: str, parameters: Any = ()) -> list[Any]:
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def filled(postgres: Postgres) -> Iterator[str]:
    name = postgres.new_database()
    bench_ledger.fill(Filled(postgres.url(name, "postgres")), QUICK)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def session(filled: str) -> Iterator[Session]:
    database = Database(filled)
    with database.read_sessions.begin() as session:
        yield session
    database.close()


def rows_read(session: Session, table: str) -> int:
    """Rows of a table that the session's transaction has read so far, by whatever way."""
    found = session.scalar(
        text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = :table"),
        {"table": table},
    )
    return int(found or 0)


# Small tables are read whole where that is cheapest.
READS: list[tuple[str, int, Callable[[Session], object]]] = [
    ("point_entries", 30, lambda s: log_entries(s, SITE, LogScope(MEMBER, LARGEST_GROUP))),
    ("point_entries", 30, lambda s: log_entries(s, SITE, LogScope(MEMBER, LARGEST_GROUP), before=15_000)),
    ("point_entries", 30, lambda s: log_entries(s, SITE, LogScope(LARGEST, GROUP_OF_LARGEST_CUSTOMER), before=9_000)),
    ("point_entries", 30, lambda s: log_entries(s, SITE, LogScope(reward_group_id=LARGEST_GROUP))),
    ("point_entries", 0, lambda s: points_by_day(s, SITE, LogScope(reward_group_id=LARGEST_GROUP))),
    ("point_entries", 0, lambda s: points_by_day(s, SITE, LogScope(LARGEST))),
    ("invoices", 300, lambda s: read_customer(s, SITE, LARGEST)),
    ("customers_reward_groups", 60, lambda s: read_customer(s, SITE, MEMBER)),
    ("customer_points", 200, lambda s: group_members(s, SITE, LARGEST_GROUP)),
    ("customer_points", 200, lambda s: find_customers(s, SITE, text="framing heber", limit=51)),
    ("search_terms", 5, lambda s: find_customers(s, SITE, text="zyzzyva", limit=51)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(READS)))
def test_page_reads_what_it_shows(session: Session, number: int) -> None:
    table, most, read = READS[number]
    before = rows_read(session, table)
    assert read(session)
    assert rows_read(session, table) - before <= most


def test_logs_are_what_the_entries_are(session: Session) -> None:
    own, of_group = f"customer_master_id = '{MEMBER}'", f"reward_group_id = {LARGEST_GROUP}"
    for scope, belongs in (
        (LogScope(MEMBER, LARGEST_GROUP), f"{own} OR ({of_group} AND customer_master_id IS NULL)"),
        (LogScope(LARGEST), f"customer_master_id = '{LARGEST}'"),
        (LogScope(reward_group_id=LARGEST_GROUP), of_group),
    ):
        expected = [
            i for (i,) in session.execute(text(f"SELECT id FROM point_entries WHERE {belongs} ORDER BY id DESC"))
        ]
        seen: list[int] = []
        while page := log_entries(session, SITE, scope, before=seen[-1] if seen else None, limit=97):
            seen += [entry.id for entry in page]
        assert seen == expected


def test_points_by_day_are_those_of_the_balance(session: Session) -> None:
    for scope, belongs in (
        (LogScope(MEMBER, LARGEST_GROUP), f"reward_group_id = {LARGEST_GROUP}"),
        (LogScope(reward_group_id=LARGEST_GROUP), f"reward_group_id = {LARGEST_GROUP}"),
        (LogScope(LARGEST), f"customer_master_id = '{LARGEST}'"),
        (LogScope("nobody"), "false"),
    ):
        expected = session.execute(
            text(f"SELECT effective_on, sum(delta)::int FROM point_entries WHERE {belongs} GROUP BY 1 ORDER BY 1")
        )
        assert points_by_day(session, SITE, scope) == [(day.toordinal(), points) for day, points in expected]


def test_balance_over_time_ends_at_the_balance(session: Session) -> None:
    for group in (LARGEST_GROUP, GROUP_OF_LARGEST_CUSTOMER, GROUP_OF_LARGEST_CUSTOMER + 5):
        overview = read_group(session, SITE, group)
        assert sum(points for _, points in overview.points_by_day) == overview.group.balance


def test_members_come_a_page_at_a_time_on_page_and_in_json(sign_in: SignIn, ledger: Ledger) -> None:
    ids = sorted(f"G-{number:03}" for number in range(2 * MEMBERS_PAGE + 7))
    for number, customer in enumerate(ids):
        ledger.member(customer, 80)
        ledger.invoice(customer, f"D-{number}", "10.00", at_risk=-3, reward_group_id=80)
    ledger.entry(ids[-1], 100, group=80)
    admin = sign_in(ADMIN)

    address, seen = "/groups/80", []
    while address:
        page = admin.get(address).text
        seen += re.findall(r'href="/customers/(G-\d+)"', page)
        assert f"{len(ids)} customers in all" in page
        further = re.search(r'href="([^"#]+)#members-title">Further customers', page)
        address = further[1] if further else ""
    assert seen == ids
    # A live update brings the first customers: it must not replace further ones.
    assert 'data-section="members"' in admin.get("/groups/80").text
    assert 'data-section="members"' not in admin.get("/groups/80?members_after=G-010").text
    assert "No further customers" in admin.get("/groups/80?members_after=Z").text

    told: list[str] = []
    after: str | None = ""
    while after is not None:
        answer = admin.get("/api/groups/80", params={"after": after, "limit": 40}).json()
        told += [member["customer_master_id"] for member in answer["members"]]
        assert answer["member_count"] == len(ids)
        after = answer["next_after"]
    assert told == ids
    assert f"shared by {len(ids)} customers" in admin.get("/customers/G-000").text


def test_invoices_beyond_a_page_are_counted(sign_in: SignIn, ledger: Ledger, postgres: Postgres, database: str) -> None:
    for number in range(INVOICES_PAGE + 3):
        ledger.invoice("M-1001", f"D-{number:02}", "10.00", pending=1)
    admin = sign_in(ADMIN)
    page = admin.get("/customers/M-1001").text
    assert f"the {INVOICES_PAGE} due first, of {INVOICES_PAGE + 3} that are not settled" in page
    statement = admin.get("/api/customers/M-1001").json()
    assert (len(statement["open_invoices"]), statement["invoice_count"]) == (INVOICES_PAGE + 3, INVOICES_PAGE + 3)
    database_ = Database(postgres.url(database))
    with database_.read_sessions.begin() as session:
        assert read_standing(session, SITE, "M-1001", invoices=2).invoice_count == INVOICES_PAGE + 3
    database_.close()


def test_dead_letters_are_paged(sign_in: SignIn, postgres: Postgres, database: str) -> None:
    with postgres.admin(database) as cursor:
        cursor.execute(
            'INSERT INTO dead_letters (topic, partition, "offset", reason, detail, status)'
            " SELECT 't', 0, n, 'bad_date', 'x', CASE WHEN n % 2 = 0 THEN 'open' ELSE 'discarded' END FROM generate_series(1, 450) AS n"
        )
    admin = sign_in(ADMIN)
    for first, count in (("/dead-letters", 225), ("/dead-letters?all=true", 450)):
        address, seen = first, []
        while address:
            page = admin.get(address).text
            seen += [int(number) for number in re.findall(r'<th scope="row">(\d+)</th>', page)]
            older = re.search(r'rel="next" href="([^"]+)"', page)
            address = older[1].replace("&amp;", "&") if older else ""
        assert len(seen) == len(set(seen)) == count
        assert seen == sorted(seen, reverse=True)
