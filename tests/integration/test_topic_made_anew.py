"""A source topic that is made anew or loses records stops the worker, which says what leads out; the points are right after that."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec

from connectors.local.folder import StackFolder
from streams.generation import LIVE
from streams.keys import partition_of
from streams.topics import INVOICES, PARTITIONS, POINT_ENTRIES, REEVALUATIONS
from tests import from_scratch
from tests.conftest import STARTED_ON
from tests.integration.invoices import enrol, insert, points, query, row
from tests.stack import Stack, eventually, temporary_stack

BILLED, PAID, DUE = dt.date(2026, 1, 5), dt.date(2026, 1, 20), dt.date(2026, 2, 25)
ADOPT = "rewards topics adopt"


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    with temporary_stack() as started:
        started.up("--no-feed", "--business-date", STARTED_ON.isoformat())
        yield started


@pytest.fixture
def admin(own_stack: Stack) -> Iterator[Any]:
    client = KafkaAdminClient(**own_stack.kafka.options())
    yield client
    client.close()


def _pay(stack: Stack, customer: str, document: str, amount: int) -> None:
    insert(
        stack,
        row(customer, document, BILLED, f"{amount}.00", transaction_due_date=DUE),
        row(customer, document, PAID, f"-{amount}.00", payment=True),
    )


def _delete(admin: Any, topic: str) -> None:
    admin.delete_topics([topic])
    eventually(lambda: admin.describe_topics([topic])[0]["error_code"] != 0)


def _make_anew(stack: Stack, admin: Any, topic: str) -> None:
    _delete(admin, topic)
    assert topic in stack.command("topics").stdout


def _worker_stops(stack: Stack) -> str:
    """Wait until the worker stays down; return what it said."""
    eventually(lambda: stack.process("worker")["state"] == "failed", timeout=60)
    assert stack.process("worker")["last_exit"] == 65
    return _last_words(stack)


def _last_words(stack: Stack) -> str:
    log = (stack.folder / "logs" / "worker.log").read_text().splitlines()
    return next(line for line in reversed(log) if "The worker stops" in line)


def _statuses(stack: Stack) -> set[str]:
    measured = json.loads(stack.command("lag", "--once", "--json").stdout)
    return {one["status"] for one in measured if one["topic"] == INVOICES.name}


def _not_caught_up(stack: Stack) -> None:
    waited = stack.command("wait", "--timeout", "5", check=False)
    assert waited.returncode == 1
    assert ADOPT in waited.stderr
    # Partitions that lost nothing are the stopped worker's until its session is over.
    eventually(lambda: "ok" not in _statuses(stack), timeout=20)
    assert stack.command("status", check=False).returncode != 0


@contextmanager
def _member(stack: Stack) -> Iterator[None]:
    """Somebody who reads as the worker's group."""
    consumer = KafkaConsumer(
        POINT_ENTRIES.name,
        **stack.kafka.options(),
        group_id=LIVE.application_id,
        enable_auto_commit=False,
    )
    try:
        eventually(lambda: consumer.poll(timeout_ms=200) is not None and consumer.assignment())
        yield
    finally:
        consumer.close(autocommit=False)


def _lead_out(stack: Stack) -> None:
    assert "rewards connectors resnapshot" in stack.command("topics", "adopt").stdout
    stack.command("connectors", "resnapshot")
    started = stack.command("restart", "worker", check=False)
    assert started.returncode == 0, _last_words(stack)


def _right(stack: Stack) -> None:
    stack.wait()
    assert from_scratch.differences(stack.address("warehouse"), stack.address("rewards")) == []


def test_topic_made_anew_under_a_running_worker(own_stack: Stack, admin: Any) -> None:
    stack = own_stack
    enrol(stack, "C-anew")
    _pay(stack, "C-anew", "D-1", 100)
    assert points(stack, "C-anew") == {"SBM": (100, 0)}
    # Offsets of the new topic lie below the place of this snapshot.
    stack.command("connectors", "resnapshot")
    stack.wait()

    _make_anew(stack, admin, INVOICES.name)
    _pay(stack, "C-anew", "D-2", 10)

    said = _worker_stops(stack)
    assert INVOICES.name in said
    assert ADOPT in said
    _not_caught_up(stack)
    stack.command("restart", "worker", check=False)
    assert "was made anew" in _worker_stops(stack)

    _lead_out(stack)
    assert points(stack, "C-anew") == {"SBM": (110, 0)}
    _pay(stack, "C-anew", "D-3", 1)
    assert points(stack, "C-anew") == {"SBM": (111, 0)}
    _right(stack)
    assert stack.command("topics", "adopt").stdout == "All topics are those that are read.\n"


def test_topic_that_is_missing_is_named_and_made_with_all_partitions(own_stack: Stack, admin: Any) -> None:
    stack = own_stack
    enrol(stack, "C-missing")
    stack.wait()

    _delete(admin, INVOICES.name)
    said = _worker_stops(stack)
    assert "`rewards topics` creates it" in said
    refused = stack.command("topics", "adopt", check=False)
    assert refused.returncode == 1
    # A connector that starts meanwhile makes the topic, as ours would be.
    stack.command("connectors", "restart")
    _pay(stack, "C-missing", "D-1", 100)
    eventually(lambda: admin.describe_topics([INVOICES.name])[0]["error_code"] == 0, timeout=60)
    assert len(admin.describe_topics([INVOICES.name])[0]["partitions"]) == PARTITIONS
    assert stack.command("topics").stdout == "All topics exist.\n"

    _lead_out(stack)
    assert points(stack, "C-missing") == {"SBM": (100, 0)}
    _right(stack)


def test_records_that_are_deleted_before_they_were_read(own_stack: Stack, admin: Any) -> None:
    stack = own_stack
    enrol(stack, "C-deleted")
    _pay(stack, "C-deleted", "D-1", 100)
    assert points(stack, "C-deleted") == {"SBM": (100, 0)}
    partition = TopicPartition(INVOICES.name, partition_of("C-deleted"))
    with stack.cursor("rewards") as cursor:
        # The worker cannot get on meanwhile.
        cursor.execute("SELECT FROM partition_progress WHERE partition = %s FOR UPDATE", (partition.partition,))
        before = admin.list_partition_offsets({partition: OffsetSpec.LATEST})[partition].offset
        _pay(stack, "C-deleted", "D-2", 10)
        eventually(lambda: admin.list_partition_offsets({partition: OffsetSpec.LATEST})[partition].offset >= before + 2)
        end = admin.list_partition_offsets({partition: OffsetSpec.LATEST})[partition].offset
        admin.delete_records({partition: end})
        said = _worker_stops(stack)
    assert (
        f"records that were not read yet are gone from topic {INVOICES.name}, in partition {partition.partition}"
        in said
    )
    _not_caught_up(stack)
    with _member(stack):
        refused = stack.command("topics", "adopt", check=False)
        assert refused.returncode == 1
        assert "stop them, then run this again" in refused.stderr

    _lead_out(stack)
    assert points(stack, "C-deleted") == {"SBM": (110, 0)}
    _right(stack)


def test_database_restored_to_an_earlier_state_is_read_again_from_there(own_stack: Stack) -> None:
    stack = own_stack
    enrol(stack, "C-restored")
    stack.wait()
    place = (INVOICES.name, partition_of("C-restored"))
    kept = query(stack, "SELECT next_offset, mark FROM partition_progress WHERE topic = %s AND partition = %s", *place)
    _pay(stack, "C-restored", "D-1", 100)
    assert points(stack, "C-restored") == {"SBM": (100, 0)}
    committed = "SELECT committed_offset FROM consumer_lag WHERE topic = %s AND partition = %s"
    eventually(lambda: query(stack, committed, *place)[0][0] > kept[0][0])

    worker = stack.process("worker")["pid"]
    _take_back(stack, "C-restored", place, kept[0])

    # The one that runs holds an invoice that is not there; the next one begins where Postgres is.
    eventually(lambda: stack.process("worker")["pid"] not in {worker, None}, timeout=60)
    assert points(stack, "C-restored") == {"SBM": (100, 0)}
    _right(stack)
    assert stack.process("worker")["state"] == "running"


def _take_back(stack: Stack, customer: str, place: tuple[str, int], progress: tuple[int, int]) -> None:
    """Bring a customer with a group of its own, and its partition, to where they stood before."""
    owner = StackFolder(stack.folder).owner_environment()["REWARDS_OWNER_DATABASE_URL"]
    connection = psycopg2.connect(owner)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE point_entries DISABLE TRIGGER USER")
            cursor.execute(
                "DELETE FROM reward_group_totals WHERE reward_group_id IN"
                " (SELECT reward_group_id FROM customers_reward_groups WHERE customer_master_id = %s)",
                (customer,),
            )
            for table in ("point_entries", "invoices", "customer_points"):
                cursor.execute(f"DELETE FROM {table} WHERE customer_master_id = %s", (customer,))
            cursor.execute("ALTER TABLE point_entries ENABLE TRIGGER USER")
            cursor.execute(
                "UPDATE partition_progress SET next_offset = %s, mark = %s WHERE topic = %s AND partition = %s",
                (*progress, *place),
            )
    finally:
        connection.close()


def test_topic_that_the_worker_writes_itself_is_taken_as_it_is(own_stack: Stack, admin: Any) -> None:
    stack = own_stack
    enrol(stack, "C-own")
    insert(stack, row("C-own", "D-1", BILLED, "100.00", transaction_due_date=STARTED_ON))
    stack.wait()

    _make_anew(stack, admin, REEVALUATIONS.name)

    anew = str(admin.describe_topics([REEVALUATIONS.name])[0]["topic_id"])
    noted = "SELECT DISTINCT topic_id FROM partition_progress WHERE topic = %s"
    eventually(lambda: query(stack, noted, REEVALUATIONS.name) == [(anew,)], timeout=120)
    today = dt.date.fromisoformat(stack.status["business_date"])
    stack.command("day", "--to", (today + dt.timedelta(40)).isoformat())
    _right(stack)


def test_adoption_names_the_topics_that_it_is_for(own_stack: Stack) -> None:
    refused = own_stack.command("topics", "adopt", "some.other", check=False)
    assert refused.returncode == 1
    assert INVOICES.name in refused.stderr
