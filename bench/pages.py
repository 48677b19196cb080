"""Every page and JSON list that a user can open, with a million entries behind it, at 50 requests a second.

Open loop: a request is sent when it is due, whether the ones before were answered or not, so that a page that is too slow is seen to
be. Each page alone first, then all of them in turn. A request asks for another customer, group or entry than the one before.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp

from api.samples.rows import LOGINS
from bench import ledger
from bench.figures import Figure, Section, load_average, percentile
from bench.ledger import GROUP_OF_LARGEST_CUSTOMER, LARGEST_GROUP, Size
from bench.stack import BenchStack

UNITS: Final = "postgres,databases,upgrade,day,api"
RATE: Final = 50
"""Requests a second."""
TARGET_MS: Final = 100
WARM_UP: Final = 20
"""Requests that are not counted, one after the other: of each page."""
PATIENCE_SECONDS: Final = 30
OFFICE: Final = next(login for login in LOGINS if login.role.name == "ADMINISTRATOR")
HTML: Final = "text/html"

Address = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class Page:
    """A kind of address."""

    name: str
    address: Address
    holds: str = ""
    """What its answer must have in it."""


def pages(size: Size) -> list[Page]:
    """Every page and list, with addresses by chance."""

    def customer(chance: random.Random) -> str:
        return f"S-{100_002 + size.members_of_largest + chance.randrange(size.customers - size.members_of_largest - 2)}"

    def member(chance: random.Random) -> str:
        return f"S-{100_002 + chance.randrange(size.members_of_largest)}"

    def group(chance: random.Random) -> int:
        return GROUP_OF_LARGEST_CUSTOMER + 1 + chance.randrange(size.groups - 2)

    def entry(chance: random.Random) -> int:
        return chance.randrange(size.entries // 2, size.entries)

    def search(text: str) -> Address:
        return lambda _chance: f"/customers?q={quote(text)}"

    largest = "S-100001"
    return [
        Page("list of customers", lambda _: "/customers", "S-100001"),
        Page("list of customers, a later page", lambda c: f"/customers?after={customer(c)}", "S-1"),
        Page("search: a frequent word", search(ledger.FREQUENT), "Construction"),
        Page("search: a frequent word, a later page", lambda c: f"/customers?q={ledger.FREQUENT}&after={customer(c)}"),
        Page("search: a rare word", search(ledger.RARE), "Zyzzyva"),
        Page("search: no such word", lambda c: f"/customers?q=qq{c.randrange(10_000)}", "has"),
        *(Page(f"search: {text}", search(text), "Ünïcode") for text in ledger.ACCENTED),
        Page("search: two words in another order", search("framing heber"), "Heber"),
        Page("search: two frequent words", search("construction ridge")),
        Page("search: an id", lambda c: f"/customers?q={customer(c)}", "S-1"),
        Page("search: an id's beginning", lambda c: f"/customers?q=s-{100 + c.randrange(size.customers // 1_000)}", "S-1"),
        Page("search: one letter", lambda c: f"/customers?q={c.choice('sbhcop')}", "S-1"),
        Page("search: signs", lambda c: f"/customers?q={quote(c.choice(('%', '_', chr(92), '🙂', '😀' * 100, 'x' * 190)))}"),
        Page("customer", lambda c: f"/customers/{customer(c)}", "entry-"),
        Page("customer, a later page of its log", lambda c: f"/customers/{customer(c)}?before={entry(c)}", "Older entries"),
        Page("customer of the largest group", lambda c: f"/customers/{member(c)}", "entry-"),
        Page("customer of the largest group, a later page", lambda c: f"/customers/{member(c)}?before={entry(c)}", "entry-"),
        Page("customer with most entries", lambda _: f"/customers/{largest}", "entry-"),
        Page("customer with most entries, a later page", lambda c: f"/customers/{largest}?before={entry(c)}", "entry-"),
        Page("group", lambda c: f"/groups/{group(c)}", "entry-"),
        Page("group, a later page of its log", lambda c: f"/groups/{group(c)}?before={entry(c)}", "Older entries"),
        Page("largest group", lambda _: f"/groups/{LARGEST_GROUP}", "entry-"),
        Page("largest group, a later page of its log", lambda c: f"/groups/{LARGEST_GROUP}?before={entry(c)}", "entry-"),
        Page("group of the customer with most entries", lambda _: f"/groups/{GROUP_OF_LARGEST_CUSTOMER}", "entry-"),
        Page("consumer lag", lambda _: "/lag", "invoices"),
        Page("reloads", lambda _: "/lag/reloads"),
        Page("dead letters", lambda _: "/dead-letters", "bad_date"),
        Page("dead letters, all", lambda _: "/dead-letters?all=true", "superseded"),
        Page("JSON interface", lambda _: "/docs", "OpenAPI"),
        Page("JSON: customers", lambda c: f"/api/customers?after={customer(c)}", "customers"),
        Page("JSON: customers, 500 of a frequent word", lambda _: f"/api/customers?q={ledger.FREQUENT}&limit=500", "customers"),
        Page("JSON: customer", lambda c: f"/api/customers/{customer(c)}", "balance"),
        Page("JSON: customer with most entries", lambda _: f"/api/customers/{largest}", "balance"),
        Page("JSON: a customer's log", lambda c: f"/api/customers/{member(c)}/entries?before={entry(c)}", "delta"),
        Page("JSON: the largest log, 500 entries", lambda c: f"/api/customers/{largest}/entries?limit=500&before={entry(c)}", "delta"),
        Page("JSON: largest group", lambda _: f"/api/groups/{LARGEST_GROUP}", "members"),
        Page("JSON: largest group's log", lambda c: f"/api/groups/{LARGEST_GROUP}/entries?before={entry(c)}", "delta"),
        Page("JSON: traveller", lambda c: f"/api/redemptions/{1 + c.randrange(20_000)}/traveller", "Lovelace"),
        Page("JSON: lag", lambda _: "/api/lag", "invoices"),
        Page("JSON: dead letters", lambda _: "/api/dead-letters", "bad_date"),
    ]  # fmt: skip


def measure(stack: BenchStack, runs: int, *, quick: bool) -> Section:
    """Fill the stack's database, and ask for every page `runs` times so many seconds long."""
    size = ledger.QUICK if quick else ledger.FULL
    ledger.fill(stack, size)
    return ask(stack.address("web"), size, runs, seconds=1 if quick else 4)


def ask(site: str, size: Size, runs: int, *, seconds: float) -> Section:
    """Ask a site that is filled so.

    Raises:
        RuntimeError: a page's answer was not what it must be.
    """
    every = pages(size)
    found = [asyncio.run(_run(site, every, seconds, run)) for run in range(runs)]
    figures = []
    for name in found[0]:
        took = [one[name] for one in found]
        figures += [
            Figure(f"{name}: p50", "ms", [percentile(one, 0.5) for one in took]),
            Figure(f"{name}: p95", "ms", [percentile(one, 0.95) for one in took], at_most=TARGET_MS),
        ]
    return Section(
        f"Pages at {RATE} requests a second with {size.entries:,} entries of {size.customers:,} customers",
        figures,
        [
            f"a group of {size.members_of_largest:,} customers, a customer of {size.entries_of_largest:,} entries; each page alone for"
            f" {seconds:g} s, then all of them by chance",
            f"one process, signed in as the office; load average at the end {load_average()}",
        ],
    )


ALL: Final = "all of them, by chance"


async def _run(site: str, every: Sequence[Page], seconds: float, seed: int) -> dict[str, list[float]]:
    """Return the milliseconds of each request, by page."""
    chance = random.Random(seed)
    connections = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(site, connector=connections, cookie_jar=jar) as session:
        login = {"email": OFFICE.email, "password": OFFICE.password}
        async with session.post("/api/session", json=login) as answer:
            answer.raise_for_status()
        took = {}
        for page in every:
            for _ in range(WARM_UP):
                await _asked(session, page, chance)
            took[page.name] = await _at_rate(session, [page] * int(RATE * seconds), chance)
        mixed = chance.choices(every, k=int(RATE * seconds * 5))
        took[ALL] = await _at_rate(session, mixed, chance)
    return took


async def _at_rate(session: aiohttp.ClientSession, wanted: Sequence[Page], chance: random.Random) -> list[float]:
    """Send a request when it is due; return the milliseconds from then to the end of each answer."""
    begin = time.monotonic()
    asked = []
    for number, page in enumerate(wanted):
        due = begin + number / RATE
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        asked.append(asyncio.create_task(_asked(session, page, chance, due)))
    return list(await asyncio.gather(*asked))


async def _asked(session: aiohttp.ClientSession, page: Page, chance: random.Random, due: float | None = None) -> float:
    begin = time.monotonic() if due is None else due
    address = page.address(chance)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), session.get(address, allow_redirects=False) as answer:
            text = await answer.text()
    except TimeoutError:
        return 1_000 * (time.monotonic() - begin)
    took = 1_000 * (time.monotonic() - begin)
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:  # as slow as what is never answered
        return 1_000.0 * PATIENCE_SECONDS
    if answer.status != HTTPStatus.OK or page.holds not in text:
        raise RuntimeError(f"{address} answered {answer.status}, without “{page.holds}”")
    return took
