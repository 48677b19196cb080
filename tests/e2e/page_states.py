"""Every page of the site in the states that a person meets it in: empty, full, with long names, refused. For the tests of its look.

A page that is added is added here: tests/e2e/test_pages_look.py holds this list against the app's routes.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Page, expect
from sqlalchemy import text

from streams.topics import INVOICES, MEMBERSHIPS, PARTITIONS
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.ledger import TODAY, Ledger
from tests.integration.api.servers import Postgres, running_site

ADMIN, JOE, MARIA = "Admin@Example.com", "joe@wasatch.example", "maria@pena.example"
LONG_ID = "K-" + "0123456789" * 9
LONG_NAME = "The Exceedingly Long Named Building and Framing Company of Northern Utah and Southern Idaho, Incorporated"
MEMBER = "faust-0.15.3-0b7ad1c2-5f0e-4c8e-9d3a-2f4b6c8d0e1f"

NO_PAGES = {
    "/": "leads to another page",
    "/customers/{customer_master_id:path}/events": "server-sent events",
    "/groups/{reward_group_id}/events": "server-sent events",
    "/lag/agents": "the part of /lag that changes",
    "/healthz": "for programs",
    "/readyz": "for programs",
}


@dataclass
class Sites:
    """A site whose database is full, and one that has the sample and nothing else."""

    postgres: Postgres
    addresses: dict[str, str]
    databases: dict[str, str]


@dataclass(frozen=True)
class State:
    """A page as one user meets it."""

    name: str
    route: str
    """As the app declares it; what no route answers has none of its own."""
    address: str
    email: str | None = ADMIN
    """None: nobody is signed in."""
    on: Literal["full", "empty"] = "full"
    come: Callable[[Page, Sites, State], None] | None = None
    """How one comes there, where opening the address is not enough."""
    status: int = 200

    def url(self, sites: Sites) -> str:
        return sites.addresses[self.on] + self.address


def _refused(page: Page, sites: Sites, state: State) -> None:
    page.goto(state.url(sites))
    page.fill("#email", "nobody@example.com")
    page.fill("#password", "wrong")
    page.click("main button[type=submit]")
    page.locator("[role=alert]").wait_for()


def _expired(page: Page, sites: Sites, state: State) -> None:
    page.goto(f"{sites.addresses[state.on]}/sign-in")
    page.fill("#email", MARIA)
    page.fill("#password", PASSWORDS[MARIA])
    page.click("main button[type=submit]")
    page.wait_for_url("**/new-password?*")
    page.fill("#password", "not the same as below")
    page.fill("#repeated", "not the same as above")
    page.click("main button[type=submit]")
    page.locator("[role=alert]").wait_for()


def _away(page: Page, sites: Sites, state: State) -> None:
    database = sites.databases[state.on]
    with sites.postgres.admin() as cursor:
        cursor.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        try:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))
            # The site waits for connections itself before it gives up, and a machine that is busy with other tests adds to that.
            page.goto(state.url(sites), timeout=60_000)
        finally:
            cursor.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


CUSTOMER, GROUP = "/customers/{customer_master_id:path}", "/groups/{reward_group_id}"
STATES = [
    State("sign-in", "/sign-in", "/sign-in", None),
    State("sign-in refused", "/sign-in", "/sign-in", None, come=_refused),
    State("new password refused", "/new-password", "/new-password", None, come=_expired),
    State("customers", "/customers", "/customers"),
    State("no customer found", "/customers", "/customers?q=zzz"),
    State("customer", CUSTOMER, "/customers/M-1001"),
    State("customer's own page", CUSTOMER, "/customers/M-1001", JOE),
    State("older entries", CUSTOMER, "/customers/M-1001?before=9"),
    State("customer with a long id", CUSTOMER, f"/customers/{LONG_ID}"),
    State("customer below zero", CUSTOMER, "/customers/M-1012"),
    State("customer in no group", CUSTOMER, "/customers/M-5000"),
    State("customer on hold, without points", CUSTOMER, "/customers/M-1003"),
    State("group", GROUP, "/groups/1"),
    State("group with a long name", GROUP, "/groups/900"),
    State("closed group", GROUP, "/groups/7"),
    State("lag", "/lag", "/lag"),
    State("no lag measured", "/lag", "/lag", on="empty"),
    State("reloads", "/lag/reloads", "/lag/reloads"),
    State("no reload", "/lag/reloads", "/lag/reloads", on="empty"),
    State("dead letters", "/dead-letters", "/dead-letters"),
    State("no dead letters", "/dead-letters", "/dead-letters?all=true", on="empty"),
    State("where one is signed in", "/sessions", "/sessions", JOE),
    State("JSON interface", "/docs", "/docs"),
    State("no access", "/lag", "/lag", JOE, status=403),
    State("nothing there", "", "/nothing/at/all", status=404),
    State("database away", "/customers", "/customers", on="empty", come=_away, status=503),
]


def wait_until_connected(page: Page) -> None:
    """Until a live page has heard from the site."""
    expect(page.locator("#live")).not_to_have_attribute("data-state", re.compile("connecting|static"), timeout=10_000)


def keep_current(ledger: Ledger) -> None:
    """The watermarks say for a day that the points are current."""
    with ledger.writing() as session:
        session.execute(
            text(
                "INSERT INTO partition_progress (topic, partition, marked_at)"
                " SELECT topic, partition, now() + interval '1 day' FROM unnest(:topics) AS topic, generate_series(0, :last) AS partition"
                " ON CONFLICT (topic, partition) DO UPDATE SET marked_at = excluded.marked_at"
            ),
            {"topics": [INVOICES.name, MEMBERSHIPS.name], "last": PARTITIONS - 1},
        )


@contextmanager
def running_sites(postgres: Postgres) -> Iterator[Sites]:
    full, empty = postgres.new_database(), postgres.new_database()
    try:
        _fill(Ledger(postgres.url(full)))
        with running_site(postgres.url(full)) as first, running_site(postgres.url(empty)) as second:
            yield Sites(postgres, {"full": first, "empty": second}, {"full": full, "empty": empty})
    finally:
        postgres.drop_database(full)
        postgres.drop_database(empty)


def _fill(ledger: Ledger) -> None:
    """Values as large and texts as long as they may come, beside ordinary ones."""
    ledger.day(TODAY)
    for number in range(40):
        day = TODAY - dt.timedelta(days=9 * (40 - number))
        ledger.entry(
            "M-1001", (1_250_000, 48_200, -310_000)[number % 3], document=f"{number}-7", effective_on=day, tell=False
        )
    ledger.entry("M-1001", 999, company="GRP", tell=False)
    for number in range(12):
        ledger.invoice("M-1001", f"22-{number}", "123456.78", pending=123_456, at_risk=-123_456)
    ledger.member(LONG_ID, 1)
    ledger.entry(LONG_ID, 123_456_789, document="A-very-long-document-number" * 3, tell=False)
    ledger.invoice(LONG_ID, "A-very-long-document-number" * 3, "12345678.90", pending=12_345_678, at_risk=-12_345_678)
    ledger.entry("M-1012", -123_456, group=12, tell=False)
    ledger.invoice("M-5000", "1", "10.00", reward_group_id=None)
    ledger.member("K-7", 900, name=LONG_NAME)
    for partition in range(8):
        ledger.lag(partition, partition * 154_321, lag_seconds=partition * 1_000, member=MEMBER)
        # A second reader, and partitions that nobody reads.
        member = (None, MEMBER, "faust-0.15.3-other")[partition % 3]
        ledger.lag(partition, 0, agent="memberships", topic="rewards.public.customers_reward_groups", member=member)
    keep_current(ledger)
    with ledger.writing() as session:
        session.execute(
            text(
                "UPDATE partition_progress SET halted_at = now(), halted_reason = '10 rows in a row cannot be used, up to offset 12'"
                " WHERE topic = :topic AND partition = 3"
            ),
            {"topic": INVOICES.name},
        )
        session.execute(
            text(
                'INSERT INTO dead_letters (topic, partition, "offset", reason, detail, row_id)'
                " SELECT :topic, 3, n, 'bad_amount', 'transaction_amount ' || repeat('9', 280), n FROM generate_series(10, 12) AS n"
            ),
            {"topic": INVOICES.name},
        )
        session.execute(
            text(
                "INSERT INTO source_epochs (topic, snapshot_lsn, lsn, kind, happened_at, missing, live, counted_at, waits_for)"
                " VALUES (:topic, 7, 171, 'truncate', now(), 2, 3, now(), 'word')"
            ),
            {"topic": INVOICES.name},
        )
    ledger.close()
