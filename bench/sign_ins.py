"""Sign-ins with wrong passwords, and what somebody else's page takes meanwhile.

An open loop: sign-ins are sent on schedule, whether or not those before have been answered, each on a connection of its own; first from
many addresses of the loopback, then all from one. A customer that is signed in asks for its page on a schedule of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from api.samples.rows import LOGINS
from bench.figures import Figure, Section, load_average, percentile
from bench.stack import BenchStack

LOGIN: Final = next(login for login in LOGINS if login.reward_group_id == 1)
PAGE: Final = "/customers/M-1001"
RATE: Final = 100
"""Sign-ins a second."""
PAGES: Final = 10
"""Pages a second."""
AT_MOST_MS: Final = 200
ANSWER_SECONDS: Final = 30
ADDRESSES: Final = 2_000


@dataclass(slots=True)
class Found:
    """What one run told."""

    pages: list[float] = field(default_factory=list)
    """Milliseconds, from when a page was due."""
    sign_ins: Counter[str] = field(default_factory=Counter)
    """By status."""
    rate: float = 0
    """Sign-ins that were sent, a second."""


def measure(stack: BenchStack, runs: int, seconds: int) -> Section:
    """Measure `runs` times; the sample users are there."""
    alone, many, one = [], [], []
    for run in range(runs):
        alone.append(asyncio.run(_run(stack.address("web"), seconds, None)))
        many.append(asyncio.run(_run(stack.address("web"), seconds, lambda number, run=run: _address(run, number))))
        one.append(asyncio.run(_run(stack.address("web"), seconds, lambda _, run=run: f"127.200.0.{run + 1}")))
    figures = [Figure("page alone: p95", "ms", [percentile(found.pages, 0.95) for found in alone], digits=1)]
    for name, all_found in (("many addresses", many), ("one address", one)):
        figures += [
            Figure(
                f"page beside sign-ins from {name}: p95", "ms",
                [percentile(found.pages, 0.95) for found in all_found], at_most=AT_MOST_MS, digits=1,
            ),
            Figure(f"page beside sign-ins from {name}: longest", "ms", [max(found.pages) for found in all_found], digits=1),
            Figure(
                f"sign-ins from {name} that were held", "a second", [found.rate for found in all_found],
                at_least=0.95 * RATE, digits=1,
            ),
        ]  # fmt: skip
    return Section(
        f"A customer's page while {RATE} sign-ins a second bring wrong passwords",
        figures,
        [
            f"{seconds} s a run, {PAGES} pages a second, each from when it was due; a connection of its own a sign-in",
            f"answers to sign-ins from many addresses {_told(many)}; from one {_told(one)}",
            f"load average at the end {load_average()}",
        ],
    )


async def _run(site: str, seconds: int, address: Callable[[int], str] | None) -> Found:
    """Ask for pages, and send sign-ins from these addresses, where there are any."""
    found = Found()
    async with httpx.AsyncClient(base_url=site, timeout=ANSWER_SECONDS) as client:
        answer = await client.post("/api/session", json={"email": LOGIN.email, "password": LOGIN.password})
        answer.raise_for_status()

        async def page(_number: int, due: float) -> None:
            (await client.get(PAGE)).raise_for_status()
            found.pages.append(1_000 * (time.monotonic() - due))

        work = [_on_schedule(page, PAGES, seconds)]
        if address is not None:

            async def sign_in(number: int, _due: float) -> None:
                found.sign_ins[await _sign_in(site, f"nobody-{number}@example.com", address(number))] += 1

            work.append(_on_schedule(sign_in, RATE, seconds))
        rates = await asyncio.gather(*work)
    found.rate = rates[-1]
    return found


async def _on_schedule(do: Callable[[int, float], Awaitable[None]], rate: float, seconds: int) -> float:
    """Begin `rate` times a second, whatever became of those before; return how often a second it was begun."""
    begin = time.monotonic()
    tasks = []
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(do(number, due)))  # type: ignore[arg-type]
    achieved = len(tasks) / (time.monotonic() - begin)
    await asyncio.gather(*tasks)
    return achieved


async def _sign_in(site: str, email: str, address: str) -> str:
    """Send a sign-in from an address; return the status of its answer, or what became of it."""
    where = urlsplit(site)
    body = json.dumps({"email": email, "password": "wrong"}).encode()
    head = (
        f"POST /api/session HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(where.hostname, where.port, local_addr=(address, 0))
            with contextlib.closing(writer):
                writer.write(head.encode() + body)
                return (await reader.readline()).split()[1].decode()
    except (OSError, TimeoutError, IndexError) as error:
        return type(error).__name__


def _address(run: int, number: int) -> str:
    """One of many addresses of the loopback, others in each run."""
    place = number % ADDRESSES
    return f"127.{10 + run}.{place // 250}.{1 + place % 250}"


def _told(found: list[Found]) -> str:
    """The answers of all runs, by status."""
    answers = sum((one.sign_ins for one in found), Counter[str]())
    return ", ".join(f"{status}: {count:,}" for status, count in sorted(answers.items()))
