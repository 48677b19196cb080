"""Makes the pictures of docs/screens: `python -m tests.screens` writes them anew, the same ones on the same machine.

The points on them are real: the worker's own pipeline works off a sample year of change events. The lag is what a quiet stack shows.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from streams.generation import LIVE
from streams.lag.findings_sink import replace
from streams.postgres.session import connect
from streams.postgres.sink import Sink
from streams.source.transaction_metadata import TransactionMetadata
from streams.topics import INVOICES, MEMBERSHIPS
from streams.worker.agents import agents_of
from streams.worker.batch import Delivery
from streams.worker.pipeline import Pipeline
from tests.change_events import Source, days, invoice_row, record
from tests.e2e.conftest import ARGUMENTS, chromium
from tests.e2e.page_states import keep_current
from tests.integration.api.conftest import PASSWORDS
from tests.integration.api.ledger import TODAY, Ledger
from tests.integration.api.servers import Postgres, running_postgres, running_site

FOLDER: Final = Path(__file__).parent.parent / "docs" / "screens"
ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"
DESK, PHONE = (1200, 980), (390, 844)
SCREENS: Final = (
    ("customer.png", "/customers/M-1001", JOE, DESK, "light"),
    ("customer-phone.png", "/customers/M-1001", JOE, PHONE, "dark"),
    ("lag.png", "/lag", ADMIN, DESK, "light"),
    ("customers.png", "/customers", ADMIN, DESK, "dark"),
)
"""File, address, user, width and height of the screen, and its colors."""
WHERE: Final = (
    ("SBM", "BisTrack", "Lumber"),
    ("SBM", "BisTrack", "Trusses"),
    ("GRP", "Command", "Concrete"),
    ("WWC", "Vista", "Asphalt"),
)
CUSTOMERS: Final = {"M-1001": 1, "M-1002": 2, "M-1003": 3, "M-1012": 12}
"""The sample's customers that take part, with their reward groups."""
SAME: Final = """
async () => {
  // The page reads itself anew no more; what tells of the moment of the picture is the same in each.
  window.fetch = () => new Promise(() => {});
  await new Promise((done) => setTimeout(done, 500));
  document.querySelectorAll(".measured").forEach((element) => { element.textContent = "Measured 0.4 s ago."; });
  document.querySelector("#entries details")?.setAttribute("open", "");
}
"""


def invoices() -> Source:
    """A year of invoices, most of them paid in time, some late, the newest not yet."""
    chance, source, number = random.Random(20), Source(), 0
    found = []
    for customer in CUSTOMERS:
        for day in range(0, 364, 4 if customer == "M-1001" else 13):
            billed_on = TODAY - dt.timedelta(days=364 - day)
            wait = chance.randrange(75, 110) if chance.random() < 0.07 else chance.randrange(12, 31)
            paid_on = billed_on + dt.timedelta(days=wait)
            found.append((min(paid_on, TODAY + dt.timedelta(days=1)), billed_on, customer))
    # A transaction an invoice: in the order in which they were paid, and before them what is not.
    for paid_on, billed_on, customer in sorted(found, key=lambda one: (one[0] <= TODAY, *one)):
        company, system, product_line = chance.choice(WHERE)
        amount = f"{chance.randrange(150, 4_200)}.{chance.randrange(100):02}"
        about = {
            "customer_master_id": customer,
            "transaction_description": f"{chance.randrange(10_000, 99_999)}-{chance.randrange(1, 9)}",
            "company_abbreviation": company,
            "system_name": system,
            "product_line_name": product_line,
        }
        source.begin()
        due_on = billed_on + dt.timedelta(days=30)
        source.insert(
            invoice_row(
                number, transaction_date=billed_on, transaction_due_date=due_on, transaction_amount=amount, **about
            )
        )
        if paid_on <= TODAY:
            payment = {"transaction_type_rewards_invoice": False, "transaction_type_rewards_payment": True}
            source.insert(
                invoice_row(number + 1, transaction_date=paid_on, transaction_amount=f"-{amount}", **payment, **about)
            )
        number += 2
    source.begin()
    source.watermark("watermark-0-1", 1)
    return source


def memberships() -> Source:
    source = Source("rewards", "customers_reward_groups", "id")
    for number, (customer, group) in enumerate(CUSTOMERS.items()):
        enrolled = days(dt.date(2011, 1, 15))
        source.insert({"id": number, "customer_master_id": customer, "reward_group_id": group, "enrolled_at": enrolled})
    source.begin()
    source.watermark("watermark-0-1", 1)
    return source


def fill(postgres: Postgres, database: str) -> None:
    """Have the stream's own code write the points, and write down what the lag process would."""
    url = postgres.url(database)
    decoders = {agent.topic.name: agent.decode for agent in agents_of(LIVE)}
    pipeline = Pipeline(Sink(url), decoders, metadata=TransactionMetadata(), held_max=10_000, cached_invoices=1_000)
    for topic, source in ((MEMBERSHIPS, memberships()), (INVOICES, invoices())):
        records = [record(offset, value, key) for offset, (key, value) in enumerate(source.events)]
        pipeline.take([Delivery(topic.name, 0, records, len(records), 1)])
        pipeline.work(1)
    pipeline.close()
    with postgres.admin(database) as cursor:
        # Entries are never changed, but for a picture that is the same tomorrow.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE point_entries SET recorded_at = effective_on + time '09:15', committed_at = effective_on + time '09:15'"
        )


def measure(ledger: Ledger, url: str) -> None:
    for partition in range(8):
        for topic, agent in ((INVOICES.name, "invoices"), (MEMBERSHIPS.name, "memberships")):
            behind = (3, 0, 1, 0, 0, 7, 0, 2)[partition] if agent == "invoices" else 0
            committed = 12_480 + 317 * (partition * 5 % 8) if agent == "invoices" else 4
            ledger.lag(
                partition,
                behind,
                lag_seconds=behind / 100,
                committed_offset=committed,
                end_offset=committed + behind,
                # Measured in a while: no picture comes too late for it.
                age_seconds=-600,
                topic=topic,
                agent=agent,
                member="faust-0.15.3-0b7ad1c2",
            )
    with contextlib.closing(connect(url, name="screens")) as connection:
        replace(connection, (), 3_600.0)


@contextlib.contextmanager
def pictured_site(postgres: Postgres) -> Iterator[str]:
    database = postgres.new_database()
    url = postgres.url(database)
    ledger = Ledger(url)
    try:
        ledger.day(TODAY)
        fill(postgres, database)
        keep_current(ledger)
        with running_site(url) as site:
            measure(ledger, url)
            yield site
    finally:
        ledger.close()
        postgres.drop_database(database)


def write(folder: Path, browser: Browser, postgres: Postgres) -> None:
    """Write every picture into the folder."""
    with pictured_site(postgres) as site:
        for name, address, email, (width, height), scheme in SCREENS:
            viewport = {"width": width, "height": height}
            with browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce") as context:
                answer = context.request.post(
                    f"{site}/api/session", data={"email": email, "password": PASSWORDS[email]}
                )
                assert answer.ok, answer.text()
                page = context.new_page()
                page.goto(site + address)
                if page.locator("#live").count():
                    page.wait_for_selector("#live[data-state=live]")
                page.evaluate(SAME)
                page.screenshot(path=folder / name, animations="disabled")


def main(folder: Path = FOLDER) -> None:
    with running_postgres() as postgres, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        write(folder, browser, postgres)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
