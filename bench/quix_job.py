"""The same job in Quix Streams, for comparison: `python -m bench.quix_job`, run by bench/quix.py in an environment of its own.

It reads the same topic, decodes and evaluates with the product's own pure functions, keeps per customer what is known
of each invoice in Quix' state store (RocksDB with a changelog topic, at least once), and writes what each invoice is
worth, the entries and the totals to Postgres by COPY, one transaction a checkpoint, before the checkpoint's offsets are
committed. In Quix' favour: memberships come from Postgres at the start, the rows of invoices are not written to
Postgres, and entries are not sent to a topic.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import orjson
import psycopg2
from quixstreams import Application, State
from quixstreams.kafka import ConnectionConfig
from quixstreams.sinks.base.sink import BaseSink

from bench.quix_tables import COPY, SESSION, WRITE
from streams.calculator.differences import Standing, differences, stored_penalties
from streams.calculator.facts import Membership
from streams.calculator.points import Worth, evaluate
from streams.calculator.terms import Terms
from streams.postgres.terms import read_terms
from streams.source.decode import read_invoice_event
from streams.source.records import ChangeEvent
from streams.state.changes import RowChange
from streams.state.invoices import StoredRow, dump_rows, invoice_id, load_rows
from streams.state.positions import Position
from streams.topics import INVOICES

DATABASE: Final = "BENCH_DATABASE_URL"
"""In the environment, since it holds a password."""
NULL: Final = "\\N"
Values = Mapping[str, Any]


class Job:
    """Evaluates one record; all that it remembers is in the state store."""

    def __init__(self, terms: Terms, as_of: date, memberships: Mapping[str, Membership]) -> None:
        self._terms = terms
        self._as_of = as_of
        self._memberships = memberships

    def take(self, value: bytes | None, _key: object, _timestamp: int, _headers: object, state: State) -> Values | None:
        """Return the COPY lines of what a record changes, by table and then by key."""
        decoded = read_invoice_event(value)
        if decoded is None or not decoded.rows:
            return None
        lines: dict[str, dict[str, str]] = {"invoices": {}, "entries": {}, "totals": {}}
        for change in decoded.rows:
            self._take_row(decoded, change, state, lines)
        return lines

    def _take_row(
        self, decoded: ChangeEvent, change: RowChange, state: State, lines: dict[str, dict[str, str]]
    ) -> None:
        key, position = change.key, Position(0, decoded.lsn)
        number = invoice_id(key)
        stored = state.get(number)
        rows = load_rows(stored["rows"]) if stored else {}
        if change.transaction_id in rows and rows[change.transaction_id].position >= position:
            return
        rows[change.transaction_id] = StoredRow(position, change.facts)
        facts = [row.facts for row in rows.values() if row.facts is not None]
        worth = evaluate(key.company, facts, self._memberships.get(key.customer_master_id), self._terms, self._as_of)
        before = _standing(stored) if stored else Standing()
        customer = key.customer_master_id
        for found in differences(before, worth):
            # One entry an invoice, kind and source transaction: read again, it is the same one.
            lines["entries"][f"{number}{found.kind}{found.stage}{decoded.transaction}"] = (
                f"{number}\t{found.reward_group_id}\t{customer}\t{key.company}\t{key.document}\t{found.kind}\t{found.stage}\t"
                f"{found.points_before}\t{found.points_after}\t{found.delta}\t{found.effective_on}\t"
                f"change of row {change.transaction_id} at {decoded.lsn}\t{decoded.transaction}\t{_facts(worth)}\n"
            )
        totals = state.get("totals") or {}
        sums = totals.setdefault(key.company, [0, 0, 0])
        old = (stored["points"], stored["pending"], stored["at_risk"]) if stored else (0, 0, 0)
        for i, figure in enumerate((worth.points, worth.pending, worth.at_risk)):
            sums[i] += figure - old[i]
        state.set("totals", totals)
        state.set(number, _stored(rows, worth))
        lines["invoices"][number] = (
            f"{number}\t{customer}\t{key.company}\t{key.system_name}\t{key.document}\t{_plain(worth.reward_group_id)}\t"
            f"{worth.reward}\t{orjson.dumps(stored_penalties(worth.penalties)).decode()}\t{worth.points}\t{worth.pending}\t"
            f"{worth.at_risk}\t{_plain(worth.at_risk_on)}\t{worth.billed}\t{worth.paid}\t{worth.open}\t{_plain(worth.due_on)}\t"
            f"{_plain(worth.deadline_on)}\t{_plain(worth.settled_on)}\t{_plain(worth.next_evaluation_on)}\n"
        )
        lines["totals"][f"{customer}\t{key.company}"] = f"{customer}\t{key.company}\t{sums[0]}\t{sums[1]}\t{sums[2]}\n"


class PostgresSink(BaseSink):  # type: ignore[misc]  # of another environment, which mypy does not see
    """Writes a checkpoint's lines in one transaction; of several lines of one key the last counts: the newest."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._connection = psycopg2.connect(url)
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(SESSION)
        self._lines: dict[str, dict[str, str]] = {table: {} for table in COPY}
        self._next_offsets: dict[int, int] = {}

    def add(
        self, value: Values | None, key: Any, timestamp: int, headers: Any, topic: str, partition: int, offset: int
    ) -> None:
        """Take what a record changed."""
        self._next_offsets[partition] = offset + 1
        for table, lines in (value or {}).items():
            self._lines[table].update(lines)

    def flush(self) -> None:
        """Write all of it, and how far it goes; Quix commits the offsets after that."""
        with self._connection, self._connection.cursor() as cursor:
            for table, lines in self._lines.items():
                if lines:
                    cursor.copy_expert(COPY[table], io.StringIO("".join(lines.values())))
                    cursor.execute(WRITE[table])
                    lines.clear()
            for partition, offset in self._next_offsets.items():
                cursor.execute("UPDATE progress SET next_offset = %s WHERE partition = %s", (offset, partition))
            self._next_offsets.clear()


def _standing(stored: Values) -> Standing:
    settled_on = stored["settled_on"]
    return Standing.from_stored(
        stored["group"], stored["reward"], date.fromisoformat(settled_on) if settled_on else None, stored["penalties"]
    )


def _stored(rows: dict[int, StoredRow], worth: Worth) -> Values:
    return {
        "rows": dump_rows(rows),
        "group": worth.reward_group_id,
        "reward": worth.reward,
        "penalties": stored_penalties(worth.penalties),
        "settled_on": worth.settled_on and worth.settled_on.isoformat(),
        "points": worth.points,
        "pending": worth.pending,
        "at_risk": worth.at_risk,
    }


def _facts(worth: Worth) -> str:
    figures = {"billed": str(worth.billed), "paid": str(worth.paid), "open": str(worth.open), "due_on": worth.due_on}
    return orjson.dumps(figures | {"deadline_on": worth.deadline_on, "settled_on": worth.settled_on}).decode()


def _plain(value: object) -> str:
    return NULL if value is None else str(value)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--tls", required=True, help="PEM with what is shown to the broker, and what it is believed by")
    parser.add_argument("--group", required=True)
    parser.add_argument("--state", required=True, help="folder of the state store")
    parser.add_argument("--commit-every", type=int, required=True, help="records of a checkpoint")
    parser.add_argument("--commit-seconds", type=float, required=True, help="longest time between checkpoints")
    arguments = parser.parse_args()
    url = os.environ[DATABASE]
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        terms = read_terms(cursor)
        cursor.execute("SELECT business_date FROM public.business_day")
        ((as_of,),) = cursor.fetchall()
        cursor.execute(
            "SELECT customer_master_id, reward_group_id, enrolled_on FROM public.memberships"
            " WHERE reward_group_id IS NOT NULL"
        )
        memberships = {customer: Membership(group, on) for customer, group, on in cursor.fetchall()}
    connection.close()
    # As kafka_access.py has it for the clients of the product.
    tls = {f"ssl_{what}_location": arguments.tls for what in ("ca", "certificate", "key")}
    app = Application(
        ConnectionConfig(bootstrap_servers=arguments.kafka, security_protocol="ssl", **tls),
        consumer_group=arguments.group,
        auto_offset_reset="earliest",
        commit_every=arguments.commit_every,
        commit_interval=arguments.commit_seconds,
        state_dir=arguments.state,
        processing_guarantee="at-least-once",
        auto_create_topics=True,
    )
    topic = app.topic(INVOICES.name, key_deserializer="bytes", value_deserializer="bytes")
    job = Job(terms, as_of, memberships)
    app.dataframe(topic).apply(job.take, stateful=True, metadata=True).sink(PostgresSink(url))
    app.run()


if __name__ == "__main__":
    main()
