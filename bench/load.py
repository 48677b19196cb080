"""A steady load: `python -m bench.load`, a process of its own that writes at a fixed rate in small transactions.

Each transaction inserts rows of as many customers' invoices: in turn it bills them, and pays them in full. It prints,
twice a second, a line `seconds changes`: the system's monotonic clock and how many changes are committed. SIGTERM ends
it.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

import psycopg2

from bench.workload import Document, charge, insert, payment

CUSTOMERS: Final = tuple(f"L-{number}" for number in range(1, 2_001))
CONNECTIONS: Final = 4
ROWS: Final = 5
"""Of a transaction."""
PROJECT: Final = Path(__file__).resolve().parent.parent
DATABASE: Final = "BENCH_WAREHOUSE_URL"
"""In the environment, since it holds a password."""


class Generator:
    """Writes on schedule; behind it, as fast as it can until it has caught up."""

    def __init__(self, url: str, rate: float, first_number: int) -> None:
        self._url = url
        self._every = ROWS * CONNECTIONS / rate
        self._first_number = first_number
        self._written = [0] * CONNECTIONS
        self._ended = threading.Event()

    def run(self) -> None:
        """Write until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._ended.set())
        begin = time.monotonic()
        threads = [threading.Thread(target=self._write, args=(i, begin)) for i in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        while not self._ended.wait(0.5) and all(thread.is_alive() for thread in threads):
            print(time.monotonic(), sum(self._written), flush=True)
        self._ended.set()
        for thread in threads:
            thread.join()

    def _write(self, connection_number: int, begin: float) -> None:
        chance = random.Random(connection_number)
        number = self._first_number + connection_number * 100_000_000
        due = begin + connection_number * self._every / CONNECTIONS
        billed: list[Document] = []
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            while not self._ended.is_set():
                if billed:
                    rows = [payment(document) for document in billed]
                    billed = []
                else:
                    customers = chance.sample(CUSTOMERS, ROWS)
                    billed = [
                        Document(number + 10 * i, customer, Decimal(chance.randrange(1_000, 200_000)) / 100)
                        for i, customer in enumerate(customers)
                    ]
                    number += 10 * ROWS
                    rows = [charge(document) for document in billed]
                insert(cursor, rows)
                connection.commit()
                self._written[connection_number] += ROWS
                due += self._every
                self._ended.wait(max(0.0, due - time.monotonic()))


class Load:
    """A generator that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._written: list[tuple[float, int]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def rate(self, begin: float, end: float) -> float:
        """Changes a second that were committed between two readings of the monotonic clock."""
        inside = [(at, count) for at, count in self._written if begin <= at <= end]
        if len(inside) < 2:
            raise RuntimeError("the load generator wrote nothing")
        (first, before), (last, after) = inside[0], inside[-1]
        return (after - before) / (last - first)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            at, count = line.split()
            self._written.append((float(at), int(count)))


@contextmanager
def running(url: str, rate: float, first_number: int) -> Iterator[Load]:
    """Run a generator beside what is measured."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load", "--rate", str(rate), "--first-number", str(first_number)],
        stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=os.environ | {DATABASE: url},
    )  # fmt: skip
    try:
        yield Load(process)
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    """Run a generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="changes a second")
    parser.add_argument("--first-number", type=int, required=True, help="of the invoices")
    arguments = parser.parse_args()
    Generator(os.environ[DATABASE], arguments.rate, arguments.first_number).run()


if __name__ == "__main__":
    main()
