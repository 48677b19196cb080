"""Many live pages opened at once, as after a restart of the site; and what another user's pages take meanwhile.

Each stream is of a customer of its own, so that nothing is shared: every one has its own first picture read. The customers have invoices
that went the whole way through the stream.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, NamedTuple

from api.samples.rows import LOGINS
from bench.figures import Figure, Section, load_average, percentile
from bench.page import CUSTOMER, LOGIN
from bench.stack import BenchStack
from bench.workload import Document, charge, enrol, insert, payment
from tests.many_streams import OpenedStream, open_streams

STREAMS: Final = 500
INVOICES: Final = 8
"""Of each customer, every second of them paid."""
FIRST_NUMBER: Final = 700_000_000
OPEN_SECONDS_MAX: Final = 10
SETTLED_SECONDS: Final = 5
"""How long pages are asked for while all streams are open."""
PAGES_A_SECOND: Final = 10
ADMINISTRATOR: Final = next(login for login in LOGINS if login.reward_group_id is None)


class _Run(NamedTuple):
    opened: list[OpenedStream]
    pages_ms: list[float]
    """While the streams opened, until the last one was shown."""
    settled_ms: list[float]
    """While all were open."""


def measure(stack: BenchStack, runs: int, streams: int = STREAMS) -> Section:
    """Measure `runs` times; the sample users are there."""
    customers = [f"V-{number}" for number in range(streams)]
    _write(stack, customers)
    found = [_run(stack, customers) for _ in range(runs)]
    return Section(
        f"{streams} live pages opened at once",
        [
            Figure("all open after", "s", [max(o.open_seconds for o in run.opened) for run in found], at_most=OPEN_SECONDS_MAX, digits=1),
            Figure("refused", "streams", [sum(o.status != 200 for o in run.opened) for run in found], at_most=0),
            Figure("all shown after", "s", [max(o.shown_seconds or 0 for o in run.opened) for run in found], digits=1),
            Figure("another user's page meanwhile, p50", "ms", [percentile(run.pages_ms, 0.5) for run in found]),
            Figure("another user's page meanwhile, p95", "ms", [percentile(run.pages_ms, 0.95) for run in found]),
            Figure("the same with all open, p95", "ms", [percentile(run.settled_ms, 0.95) for run in found]),
        ],
        [
            f"{streams} customers with {INVOICES} invoices each; open: the answer's headers are there; shown: the first update is",
            f"another user's page: {PAGES_A_SECOND} requests a second, one at a time",
            f"load average at the end {load_average()}",
        ],
    )  # fmt: skip


def _write(stack: BenchStack, customers: list[str]) -> None:
    enrol(stack, customers)
    documents = [
        Document(FIRST_NUMBER + 10 * number, customers[number % len(customers)], Decimal(100 + number % 900))
        for number in range(INVOICES * len(customers))
    ]
    rows = [charge(document) for document in documents]
    rows += [payment(document) for document in documents[: len(documents) // 2]]
    with stack.cursor("warehouse") as cursor:
        insert(cursor, rows)
    stack.wait()


def _run(stack: BenchStack, customers: list[str]) -> _Run:
    site = stack.address("web")
    administrator = _signed_in(site, ADMINISTRATOR.email, ADMINISTRATOR.password)
    customer = _signed_in(site, LOGIN.email, LOGIN.password)
    paths = [f"/customers/{name}/events" for name in customers]

    async def run() -> _Run:
        async with open_streams(site, paths, administrator) as opened:
            meanwhile = len(pages)
            await asyncio.sleep(SETTLED_SECONDS)
            return _Run(opened, pages[:meanwhile], pages[meanwhile:])

    with _asking(f"{site}/customers/{CUSTOMER}", customer) as pages:
        return asyncio.run(run())


@contextmanager
def _asking(address: str, cookie: str) -> Iterator[list[float]]:
    """Ask for a page again and again; give the milliseconds that each took, as they come."""
    took: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            started = time.perf_counter()
            with urllib.request.urlopen(
                urllib.request.Request(address, headers={"Cookie": cookie}), timeout=60
            ) as answer:
                answer.read()
            seconds = time.perf_counter() - started
            took.append(1_000 * seconds)
            ended.wait(max(0.0, 1 / PAGES_A_SECOND - seconds))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


def _signed_in(site: str, email: str, password: str) -> str:
    """The cookies of a session."""
    request = urllib.request.Request(
        f"{site}/api/session",
        data=json.dumps({"email": email, "password": password}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return "; ".join(one.partition(";")[0] for one in answer.headers.get_all("Set-Cookie") or ())
