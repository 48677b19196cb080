"""A random history: SQL of every kind in the warehouse while parts are killed and stopped. The points are computed from scratch beside it.

The integration test runs some minutes' worth of it. `python -m tests.rough_history FOLDER --minutes 30 --seed 5` runs a long one on a stack
that is started in FOLDER, and prints what it did and what was wrong at each look. With `--clock` and libfaketime's library, the wall
clock of a second worker moves by hours and days meanwhile, forth and back.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import from_scratch
from tests.integration.invoices import insert_with, row
from tests.stack import PROJECT, Stack, eventually

ODD = (
    "K-1", "K-0 🏠", "K-\x0b-tab\t", "Ünïcode & Söhne", "O'Brien \"quoted\" \\ back", " spaces around ", "../entries", "%20?x=1#y",
    "\\u0000 as text", "x" * 500, "数", "K-\x1f",
)  # fmt: skip
"""Customer ids as they come from other systems."""
PRODUCTS = (("SBM", "BisTrack", "Lumber"), ("SBM", "BisTrack", None), ("CRS", "Viewpoint", "Construction"))
BACK_SECONDS = 90
LOOK_SECONDS = 300
Act = Callable[["History"], None]


class History:
    """What is done to the warehouse, in an order that the seed alone decides."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack = stack
        self.chance = random.Random(seed)
        self.customers = [f"R{seed}-{number}-{odd}" for number, odd in enumerate(ODD * 3)]
        self.documents = [f"R{seed}-{number}" for number in range(400)]
        self.done: Counter[str] = Counter()

    @property
    def today(self) -> dt.date:
        with self.stack.cursor("rewards") as cursor:
            cursor.execute("SELECT business_date FROM business_day")
            date: dt.date = cursor.fetchone()[0]
        return date

    def act(self) -> None:
        """Do one thing."""
        (what,) = self.chance.choices(list(ACTS), list(ACTS.values()))
        what(self)
        self.done[what.__name__] += 1

    def rows(self, count: int) -> list[dict[str, Any]]:
        """Invoices and payments, some of the same document in one transaction."""
        chance, today = self.chance, self.today
        found = []
        for _ in range(count):
            company, system, line = chance.choice(PRODUCTS)
            on = today - dt.timedelta(chance.randint(0, 120))
            found.append(
                row(
                    chance.choice(self.customers),
                    chance.choice([*self.documents, None]),
                    on,
                    chance.choice(("100.00", "1250.99", "0.49", "-100.00", "73210.50")),
                    payment=chance.random() < 0.5,
                    company_abbreviation=company,
                    system_name=system,
                    product_line_name=line,
                    transaction_due_date=chance.choice((None, on + dt.timedelta(30))),
                    transaction_retainage=chance.choice((0, 0, 5)),
                )
            )
        return found


def insert(history: History) -> None:
    with history.stack.cursor("warehouse") as cursor:
        insert_with(cursor, *history.rows(history.chance.choice((1, 2, 5, 40, 300))))


def touch_all(history: History) -> None:
    """An update of the whole table, as a nightly job does it."""
    factor = history.chance.choice(("1", "1", "2", "0.5"))
    with history.stack.cursor("warehouse") as cursor:
        cursor.execute(
            "UPDATE invoice_transactions SET updated_date = now(), transaction_amount = round(transaction_amount * %s, 2)"
            " WHERE abs(transaction_amount) < 100000",
            (factor,),
        )


def correct(history: History) -> None:
    with history.stack.cursor("warehouse") as cursor:
        cursor.execute(
            "UPDATE invoice_transactions SET transaction_amount = -transaction_amount, transaction_description = %s"
            " WHERE customer_master_id = %s AND transaction_id %% 3 = 0",
            (history.chance.choice([*history.documents, None]), history.chance.choice(history.customers)),
        )


def delete(history: History) -> None:
    with history.stack.cursor("warehouse") as cursor:
        cursor.execute(
            "DELETE FROM invoice_transactions WHERE customer_master_id = %s AND transaction_id %% 4 = %s",
            (history.chance.choice(history.customers), history.chance.randint(0, 3)),
        )


def delete_and_insert(history: History) -> None:
    """The same rows gone and back in one transaction: nothing may change."""
    with history.stack.cursor("warehouse") as cursor:
        cursor.execute("CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM invoice_transactions")
        cursor.execute("DELETE FROM invoice_transactions")
        cursor.execute("INSERT INTO invoice_transactions SELECT * FROM kept")


def reload(history: History) -> None:
    """Truncated, and loaded again in a few transactions."""
    with history.stack.cursor("warehouse") as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS kept_rows AS SELECT * FROM invoice_transactions WITH NO DATA")
        cursor.execute("TRUNCATE kept_rows")
        cursor.execute("INSERT INTO kept_rows SELECT * FROM invoice_transactions")
    with history.stack.cursor("warehouse") as cursor:
        cursor.execute("TRUNCATE invoice_transactions")
    for part in range(3):
        time.sleep(history.chance.choice((0, 0.5, 3)))
        with history.stack.cursor("warehouse") as cursor:
            cursor.execute(
                "INSERT INTO invoice_transactions SELECT * FROM kept_rows WHERE transaction_id %% 3 = %s", (part,)
            )


def swap_customers(history: History) -> None:
    first, second = history.chance.sample(history.customers, 2)
    with history.stack.cursor("warehouse") as cursor:
        cursor.execute(
            "UPDATE invoice_transactions SET customer_master_id = CASE customer_master_id WHEN %(one)s THEN %(other)s ELSE %(one)s END"
            " WHERE customer_master_id IN (%(one)s, %(other)s)",
            {"one": first, "other": second},
        )


def swap_keys(history: History) -> None:
    """The primary keys of two rows change places."""
    with history.stack.cursor("warehouse") as cursor:
        cursor.execute("SELECT transaction_id FROM invoice_transactions ORDER BY random() LIMIT 2")
        found = [number for (number,) in cursor.fetchall()]
        if len(found) < 2:
            return
        for old, new in ((found[0], -1), (found[1], found[0]), (-1, found[1])):
            cursor.execute("UPDATE invoice_transactions SET transaction_id = %s WHERE transaction_id = %s", (new, old))


def enrol(history: History) -> None:
    chance = history.chance
    customer = chance.choice(history.customers)
    with history.stack.cursor("rewards") as cursor:
        cursor.execute("SELECT id FROM customers_reward_groups WHERE customer_master_id = %s", (customer,))
        if cursor.fetchone() is None:
            cursor.execute("INSERT INTO reward_groups (name) VALUES (%s) RETURNING id", (f"Group of {customer}"[:200],))
            (group,) = cursor.fetchone()
            cursor.execute(
                "INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at) VALUES (%s, %s, %s)",
                (customer, group, dt.date(2011, 1, 15)),
            )
        elif chance.random() < 0.3:
            cursor.execute("DELETE FROM customers_reward_groups WHERE customer_master_id = %s", (customer,))
        else:
            cursor.execute(
                "UPDATE customers_reward_groups SET enrolled_at = %s WHERE customer_master_id = %s",
                (history.today - dt.timedelta(chance.randint(0, 400)), customer),
            )


def open_day(history: History) -> None:
    history.stack.command("day", "--to", (history.today + dt.timedelta(history.chance.randint(1, 9))).isoformat())


ACTS: dict[Act, int] = {
    insert: 40, correct: 20, delete: 6, swap_customers: 6, swap_keys: 6, enrol: 12, touch_all: 2, delete_and_insert: 2, reload: 1,
    open_day: 1,
}  # fmt: skip


# -- faults


def kill(stack: Stack, name: str) -> None:
    """Kill -9; the supervisor starts it again."""
    pid = stack.process(name)["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: stack.process(name)["pid"] not in {pid, None}, timeout=BACK_SECONDS)


def stop_for(stack: Stack, name: str, seconds: float) -> None:
    """SIGSTOP, and SIGCONT after some seconds; the supervisor may have ended and replaced it meanwhile."""
    pid = stack.process(name)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        if stack.process(name)["pid"] == pid:
            os.kill(pid, signal.SIGCONT)


def end_sessions(stack: Stack) -> None:
    with stack.cursor("rewards") as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
        )


@contextmanager
def second_worker(
    stack: Stack, log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "worker", "--data", str(stack.folder)],
            cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT, env=environment,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


FAULTS: dict[str, Callable[[Stack], None]] = {
    "kill worker": lambda stack: kill(stack, "worker"),
    "kill connect": lambda stack: kill(stack, "connect"),
    "kill kafka": lambda stack: kill(stack, "kafka"),
    "stop worker": lambda stack: stop_for(stack, "worker", 20),
    "stop kafka": lambda stack: stop_for(stack, "kafka", 5),
    "stop connect": lambda stack: stop_for(stack, "connect", 5),
    "end sessions": end_sessions,
}


class Clock:
    """The wall clock of a process, which libfaketime moves to what stands in a file."""

    MOVES = ("+0", "+3h", "-5h", "+2d", "-1d", "+400d")

    def __init__(self, library: Path, file: Path, chance: random.Random) -> None:
        self.file, self.chance = file, chance
        self.file.write_text("+0\n")
        self.environment = os.environ | {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip

    def move(self, _stack: Stack) -> None:
        self.file.write_text(f"{self.chance.choice(self.MOVES)}\n")


def wrong(stack: Stack) -> list[str]:
    """Wait until all is worked off; return what is wrong then."""
    stack.wait(timeout=LOOK_SECONDS)
    found = from_scratch.differences(stack.address("warehouse"), stack.address("rewards"))
    with stack.cursor("rewards") as cursor:
        cursor.execute("SELECT count(*) FROM point_entries WHERE part > 0")
        if parts := cursor.fetchone()[0]:
            found.append(f"{parts} entries of half a transaction")
        cursor.execute("SELECT count(*) FROM invoices WHERE awaiting IS NOT NULL")
        if waiting := cursor.fetchone()[0]:
            found.append(f"{waiting} invoices await the rest of a transaction")
    return found


def run(history: History, seconds: float, faults: Mapping[str, Callable[[Stack], None]], every: float) -> None:
    """Act for so long, with a fault every so many seconds."""
    ends, next_fault = time.monotonic() + seconds, time.monotonic() + every
    while time.monotonic() < ends:
        history.act()
        if faults and time.monotonic() >= next_fault:
            name = history.chance.choice(list(faults))
            faults[name](history.stack)
            history.done[name] += 1
            next_fault = time.monotonic() + every * history.chance.uniform(0.5, 1.5)


def main() -> None:
    """Run a long history by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--look-minutes", type=float, default=3, help="how often everything is computed from scratch")
    parser.add_argument("--every", type=float, default=12, help="seconds between faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--clock", type=Path, metavar="LIBRARY", help="libfaketime's library; a second worker's clock moves"
    )
    options = parser.parse_args()
    stack = Stack(options.folder)
    history = History(stack, options.seed)
    faults, environment = dict(FAULTS), None
    if options.clock:
        clock = Clock(options.clock, options.folder.parent / "clock", history.chance)
        faults, environment = faults | {"move the clock": clock.move}, clock.environment
    stack.up("--no-feed", "--business-date", "2026-03-01")
    ends = time.monotonic() + 60 * options.minutes
    failed = False
    try:
        while time.monotonic() < ends:
            if options.clock or history.chance.random() < 0.5:
                with second_worker(stack, options.folder.parent / "second.log", environment):
                    run(history, 30 * options.look_minutes, faults, options.every)
            run(history, 30 * options.look_minutes, faults, options.every)
            found = wrong(stack)
            failed |= bool(found)
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            print(now, json.dumps(history.done), found[:10], flush=True)  # noqa: T201 -- by hand
    finally:
        stack.down()
    sys.exit(failed)


if __name__ == "__main__":
    main()
