"""From commit in the warehouse to the number on the page, in headless Chromium.

A customer is signed in and its page is open. Each probe is a transaction that pays one of its invoices, so that the
balance goes up to a number known before; the page itself stamps each change of the number with its clock, which is the
system's.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

import psycopg2
from playwright.sync_api import Page, sync_playwright

from api.samples.rows import LOGINS
from bench.figures import Figure, Section, load_average, percentile
from bench.stack import BenchStack, until
from bench.workload import Document, charge, insert, known_members, payment
from tests import chromium

CUSTOMER: Final = "M-1001"
LOGIN: Final = next(login for login in LOGINS if login.reward_group_id == 1)
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
"""Chromium can reach nothing but this machine."""
WARM_UP: Final = 10
"""Probes that are not counted."""
PAUSE_SECONDS: Final = (0.3, 0.5)
"""Between probes, by chance within: a page is sent bursts every tenth of a second, and no rhythm may meet that."""
ARRIVE_SECONDS: Final = 30
OBSERVE: Final = """() => {
  const balance = document.getElementById("balance");
  window.seen = [];
  new MutationObserver(() => window.seen.push([Date.now(), balance.textContent]))
    .observe(balance, {childList: true, characterData: true, subtree: true});
}"""


def measure(stack: BenchStack, runs: int, probes: int) -> Section:
    """Measure `runs` times, each on a page of its own; the sample users are there."""
    until("the stream knows the customer", lambda: known_members(stack, [CUSTOMER]))
    found = [_run(stack, run, probes) for run in range(runs)]
    return Section(
        "From commit in the warehouse to the number on the page in headless Chromium",
        [
            Figure("p50", "ms", [percentile(took, 0.5) for took in found], at_most=100, digits=1),
            Figure("p99", "ms", [percentile(took, 0.99) for took in found], digits=1),
            Figure("longest", "ms", [max(took) for took in found], digits=1),
        ],
        [
            f"{probes} probes a run after {WARM_UP} to warm up, {PAUSE_SECONDS[0]} to {PAUSE_SECONDS[1]} s apart;"
            " stamped by a MutationObserver on the balance",
            f"load average at the end {load_average()}",
        ],
    )


def _run(stack: BenchStack, run: int, probes: int) -> list[float]:
    """Return the milliseconds of each probe."""
    first = 500_000_000 + 1_000_000 * run
    documents = [Document(first + 10 * i, CUSTOMER, Decimal(100 + i)) for i in range(WARM_UP + probes)]
    with stack.cursor("warehouse") as cursor:
        insert(cursor, [charge(document) for document in documents])
    stack.wait()
    with _opened(stack.address("web")) as page:
        balance = _number(page.locator("#balance").inner_text())
        page.evaluate(OBSERVE)
        committed = _pay(stack, documents)
        expected = balance + sum(document.points for document in documents)
        until(
            f"the page shows {expected}",
            lambda: _number(page.locator("#balance").inner_text()) == expected,
            seconds=ARRIVE_SECONDS,
        )
        seen = [(at, _number(text)) for at, text in page.evaluate("window.seen")]
    took = []
    for document, at in zip(documents, committed, strict=True):
        balance += document.points
        # The first number that has this payment in it: one update may bring several.
        took.append(next(shown for shown, number in seen if number >= balance) - at)
    return took[WARM_UP:]


def _pay(stack: BenchStack, documents: Sequence[Document]) -> list[float]:
    """Pay the invoices one by one; return when each commit was called, in milliseconds since 1970."""
    chance = random.Random(1)
    committed = []
    with closing(psycopg2.connect(stack.address("warehouse"))) as connection, connection.cursor() as cursor:
        for document in documents:
            time.sleep(chance.uniform(*PAUSE_SECONDS))
            insert(cursor, [payment(document)])
            committed.append(1_000 * time.time())
            connection.commit()
    return committed


@contextmanager
def _opened(site: str) -> Iterator[Page]:
    """The customer's page, signed in and live."""
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or chromium.find() or chromium.install(Path.home() / ".cache" / "rewards")
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        page = browser.new_page()
        page.goto(f"{site}/sign-in")
        page.fill("#email", LOGIN.email)
        page.fill("#password", LOGIN.password)
        page.click("main button[type=submit]")
        page.wait_for_url(f"**/customers/{CUSTOMER}")
        page.wait_for_selector("#live[data-state=live]")
        yield page
        browser.close()


def _number(text: str) -> int:
    return int(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))
