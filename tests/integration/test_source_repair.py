"""What goes wrong with a captured source, on a stack of its own: it is seen, named with its remedy, and the remedy leads out.

Each test leaves the source sound and the points right.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from connectors.local import postgres
from connectors.local.folder import StackFolder
from connectors.rest import ConnectRest
from connectors.settings import PROJECT, ConnectorSettings
from connectors.source.check import Health, SourceCheck
from connectors.source.findings import errors
from streams import topics
from tests.integration.invoices import enrol, execute, insert, query, row
from tests.stack import Stack, eventually

MAY, JUNE = dt.date(2026, 5, 2), dt.date(2026, 6, 1)
UNITS = "postgres,kafka,databases,upgrade,topics,day,connect,worker,connectors"
KEYS = [
    json.loads(line)
    for line in (PROJECT / "tests" / "contract" / "records" / "customer_keys.jsonl").read_text("utf-8").splitlines()
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose source may be spoiled, with a customer of 100 points."""
    stack = Stack(tmp_path_factory.mktemp("source") / "stack")
    try:
        stack.up("--no-feed", "--business-date", JUNE.isoformat(), "--only", UNITS)
        enrol(stack, "S-1")
        pay(stack, "D1", "100.00")
        stack.wait()
        assert points(stack) == 100
        yield stack
    finally:
        stack.discard()


def pay(stack: Stack, document: str, amount: str) -> list[int]:
    """An invoice of S-1 and its payment: as many points."""
    return insert(
        stack,
        row("S-1", document, MAY, amount, transaction_due_date=JUNE),
        row("S-1", document, MAY + dt.timedelta(days=8), f"-{amount}", payment=True),
    )


def points(stack: Stack) -> int:
    found = query(stack, "SELECT points FROM customer_points WHERE customer_master_id = 'S-1'")
    return int(found[0][0]) if found else 0


def forget_invoices(stack: Stack) -> None:
    """As each test begins: one invoice, 100 points, so that the next test's 110 are its own."""
    execute(stack, "warehouse", "DELETE FROM invoice_transactions WHERE transaction_description <> 'D1'")
    eventually_points(stack, 100)


def superuser(stack: Stack, statement: str, database: str = postgres.WAREHOUSE) -> None:
    folder = StackFolder(stack.folder)
    port = stack.state()["ports"]["postgres"]
    connection = psycopg2.connect(postgres.url("postgres", database, folder.secrets(), port))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def looked(stack: Stack, name: str = "warehouse") -> Health:
    """What the check says of a connector."""
    folder = StackFolder(stack.folder)
    with SourceCheck(ConnectorSettings.of(folder.environment() | folder.owner_environment())) as check:
        return next(one for one in check.look() if one.name == name)


def wrong(health: Health) -> set[str]:
    return {one.code for one in errors(list(health.findings))}


def repaired(stack: Stack) -> str:
    """Repair, see that all is well; return what was said."""
    said = stack.command("connectors", "repair", timeout=300).stdout
    assert looked(stack).well
    return said


def eventually_points(stack: Stack, number: int) -> None:
    eventually(lambda: points(stack) == number, timeout=60)


def test_source_that_is_sound_is_said_to_be_well_and_left_alone(source: Stack) -> None:
    said: list[dict[str, Any]] = json.loads(source.command("connectors", "status", "--json").stdout)

    assert [(one["name"], one["state"], one["tasks"], one["trace"], one["findings"]) for one in said] == [
        ("warehouse", "RUNNING", ["RUNNING"], None, []),
        ("rewards", "RUNNING", ["RUNNING"], None, []),
    ]
    assert all(0 <= one["last_record_age_seconds"] < 30 for one in said)
    # A line a connector: nothing was done.
    assert repaired(source).count("\n") == 2


def test_settings_of_the_users_shell_reach_no_connection_of_ours(
    source: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("PGSSLMODE", "require")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")

    assert all(one["findings"] == [] for one in json.loads(source.command("connectors", "status", "--json").stdout))


def test_key_of_every_customer_is_what_was_recorded_of_the_converter(source: Stack) -> None:
    insert(source, *(row(one["customer_master_id"], "K", MAY, "1.00") for one in KEYS))
    source.wait()
    assert points(source) == 100

    found: dict[str, tuple[bytes, int]] = {}
    consumer = KafkaConsumer(**source.kafka.options(), enable_auto_commit=False)
    try:
        places = [TopicPartition(topics.INVOICES.name, number) for number in range(topics.PARTITIONS)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(place) < ends[place] for place in places):
            for record in (one for batch in consumer.poll(timeout_ms=500).values() for one in batch if one.value):
                after = json.loads(record.value)["after"]
                found[(after or {}).get("customer_master_id", "")] = (record.key, record.partition)
    finally:
        consumer.close()

    assert {one["customer_master_id"]: (one["key"].encode(), one["partition"]) for one in KEYS}.items() <= found.items()
    forget_invoices(source)


def test_table_taken_out_of_the_publication_is_put_back_and_its_gap_filled(source: Stack) -> None:
    execute(source, "warehouse", "ALTER PUBLICATION rewards_warehouse DROP TABLE invoice_transactions")
    pay(source, "D2", "10.00")

    assert wrong(looked(source)) == {"table_not_published"}
    # Put back by somebody else, the gap stays.
    execute(source, "warehouse", "ALTER PUBLICATION rewards_warehouse ADD TABLE invoice_transactions")
    assert wrong(looked(source)) == {"publication_replaced", "snapshot_due"}
    for said in (source.command("wait", "--timeout", "30", check=False), source.command("status", check=False)):
        assert said.returncode == 1
        assert "rewards connectors repair" in said.stdout + said.stderr
    for command in ("apply", "status"):
        refused = source.command("connectors", command, check=False)
        assert refused.returncode == 1
        assert "Remedy: rewards connectors repair" in refused.stdout

    assert "warehouse: takes a new snapshot" in repaired(source)
    eventually_points(source, 110)
    forget_invoices(source)


def test_connector_that_sends_nothing_while_it_runs_is_found_by_its_records_age(source: Stack) -> None:
    # Up to Postgres 17 it loops in errors now; later ones take a publication that is missing for one without tables.
    execute(source, "warehouse", "DROP PUBLICATION rewards_warehouse")
    pay(source, "D2", "10.00")

    found = eventually(lambda: one if "records_old" in wrong(one := looked(source)) else None, timeout=60, interval=1)
    assert found.last_record_age_seconds > 30

    execute(
        source, "warehouse", "CREATE PUBLICATION rewards_warehouse FOR TABLE invoice_transactions, rewards_watermarks"
    )
    assert "publication_replaced" in wrong(looked(source))
    repaired(source)
    eventually_points(source, 110)
    forget_invoices(source)


def test_replica_identity_that_was_not_full_is_mended_and_lost_deletes_are_retired(source: Stack) -> None:
    pay(source, "D2", "10.00")
    source.wait()
    execute(source, "warehouse", "ALTER TABLE invoice_transactions REPLICA IDENTITY DEFAULT")
    execute(source, "warehouse", "DELETE FROM invoice_transactions WHERE transaction_description = 'D2'")

    assert wrong(looked(source)) == {"replica_identity"}
    assert "REPLICA IDENTITY of invoice_transactions is FULL again" in repaired(source)

    eventually_points(source, 100)


def test_table_swapped_by_renaming_is_captured_anew(source: Stack) -> None:
    execute(
        source,
        "warehouse",
        """CREATE TABLE invoice_new (LIKE invoice_transactions INCLUDING ALL);
        INSERT INTO invoice_new SELECT * FROM invoice_transactions;
        ALTER TABLE invoice_transactions RENAME TO invoice_old; ALTER TABLE invoice_new RENAME TO invoice_transactions""",
    )
    pay(source, "D2", "10.00")

    assert wrong(looked(source)) >= {"table_replaced", "table_not_published", "replica_identity"}
    repaired(source)

    eventually_points(source, 110)
    execute(source, "warehouse", "DROP TABLE invoice_old")
    forget_invoices(source)


def test_table_dropped_and_made_again_is_captured_anew(source: Stack) -> None:
    schema = (PROJECT / "connectors" / "warehouse" / "schema.sql").read_text()
    execute(
        source,
        "warehouse",
        f"""CREATE TEMPORARY TABLE keep AS SELECT * FROM invoice_transactions; DROP TABLE invoice_transactions;
        {schema.replace("%", "%%")}; INSERT INTO invoice_transactions SELECT * FROM keep""",
    )
    pay(source, "D2", "10.00")

    assert wrong(looked(source)) >= {"table_replaced", "table_not_published"}
    repaired(source)

    eventually_points(source, 110)
    forget_invoices(source)


def test_what_takes_nothing_away_is_mended_without_a_snapshot(source: Stack) -> None:
    execute(
        source,
        "warehouse",
        "DELETE FROM rewards_watermarks WHERE customer_master_id = (SELECT min(customer_master_id) FROM rewards_watermarks)",
    )
    execute(source, "warehouse", "REVOKE SELECT ON invoice_transactions FROM debezium")
    rest = ConnectRest(source.address("connect"), source.files.tls_file)
    rest.stop("warehouse")
    rest.delete("rewards")

    assert wrong(looked(source)) == {"watermark_rows", "role_rights", "connector_stopped"}
    assert wrong(looked(source, "rewards")) == {"connector_missing"}
    said = repaired(source)

    assert "snapshot" not in said
    assert "warehouse: resumed" in said
    assert "rewards: registered" in said
    pay(source, "D2", "10.00")
    eventually_points(source, 110)
    forget_invoices(source)


def test_publication_of_the_memberships_is_mended_as_its_owner(source: Stack) -> None:
    dropped = "ALTER PUBLICATION rewards_memberships DROP TABLE customers_reward_groups"
    superuser(source, dropped, postgres.REWARDS)
    enrol(source, "S-2")
    assert wrong(looked(source, "rewards")) == {"table_not_published"}

    said = repaired(source)

    assert "rewards: customers_reward_groups added to the publication" in said
    assert "warehouse: stopped" not in said
    eventually(lambda: query(source, "SELECT FROM memberships WHERE customer_master_id = 'S-2'"), timeout=60)


def test_column_that_is_missing_is_a_persons_and_its_gap_is_remembered(source: Stack) -> None:
    execute(source, "warehouse", "ALTER TABLE invoice_transactions RENAME transaction_retainage TO retainage")
    found = looked(source)
    assert wrong(found) == {"column_missing"}
    assert "name or add the column again" in found.findings[0].remedy
    refused = source.command("connectors", "repair", check=False)
    assert refused.returncode == 1
    assert "takes a new snapshot" not in refused.stdout
    assert source.command("connectors", "resnapshot", "warehouse", check=False).returncode == 1

    execute(source, "warehouse", "ALTER TABLE invoice_transactions RENAME retainage TO transaction_retainage")
    assert wrong(looked(source)) == {"snapshot_due"}
    assert "takes a new snapshot" in repaired(source)
    eventually_points(source, 100)


def test_slot_that_lost_its_wal_is_replaced(source: Stack) -> None:
    rest = ConnectRest(source.address("connect"), source.files.tls_file)
    rest.stop("warehouse")
    eventually(lambda: not looked(source).tasks)
    superuser(source, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    superuser(source, "SELECT pg_reload_conf()")
    try:
        pay(source, "D2", "10.00")
        for _ in range(3):
            execute(
                source,
                "rewards",
                "CREATE TEMPORARY TABLE filler AS SELECT repeat('x', 200) FROM generate_series(1, 2000)",
            )
            superuser(source, "SELECT pg_switch_wal()")
        superuser(source, "CHECKPOINT")
        assert wrong(looked(source)) == {"slot_lost", "connector_stopped"}
    finally:
        superuser(source, "ALTER SYSTEM RESET max_slot_wal_keep_size")
        superuser(source, "SELECT pg_reload_conf()")

    repaired(source)
    eventually_points(source, 110)
    forget_invoices(source)


def test_slot_dropped_while_connect_was_away_is_made_again(source: Stack) -> None:
    rest = ConnectRest(source.address("connect"), source.files.tls_file)
    rest.stop("warehouse")
    eventually(lambda: not looked(source).tasks)
    superuser(source, "SELECT pg_drop_replication_slot('rewards_warehouse')")
    pay(source, "D2", "10.00")
    rest.resume("warehouse")

    eventually(lambda: "slot_missing" in wrong(looked(source)))
    repaired(source)

    eventually_points(source, 110)
    forget_invoices(source)


def test_connector_whose_offsets_were_lost_takes_a_snapshot_and_may_be_given_another(source: Stack) -> None:
    rest = ConnectRest(source.address("connect"), source.files.tls_file)
    rest.stop("warehouse")
    eventually(lambda: not looked(source).tasks)
    rest.forget_offsets("warehouse")
    pay(source, "D2", "10.00")
    rest.resume("warehouse")

    eventually(lambda: not looked(source).findings)
    eventually_points(source, 110)

    assert "the snapshot's end is in every partition" in source.command("connectors", "resnapshot", "warehouse").stdout
    eventually_points(source, 110)
    forget_invoices(source)


def test_resnapshot_that_was_killed_is_run_again(source: Stack) -> None:
    running = subprocess.Popen(
        [sys.executable, "-u", "-m", "cli", "connectors", "resnapshot", "--data", str(source.folder)],
        stdout=subprocess.PIPE, text=True, cwd=PROJECT,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == "warehouse: stopped\n"
    running.kill()
    running.communicate()
    pay(source, "D2", "10.00")
    assert wrong(looked(source)) >= {"snapshot_due"}

    said = source.command("connectors", "resnapshot", timeout=300).stdout

    assert said.count("the snapshot's end is in every partition") == 2
    eventually_points(source, 110)
    forget_invoices(source)


def test_topic_made_anew_gets_the_records_of_a_new_snapshot(source: Stack) -> None:
    source.wait()
    topic = topics.INVOICES.name
    client = KafkaAdminClient(**source.kafka.options())
    try:
        client.delete_topics([topic])
        eventually(lambda: client.describe_topics([topic])[0]["error_code"])
        client.create_topics([NewTopic(topic, topics.PARTITIONS, 1)])
    finally:
        client.close()

    # The broker needs a moment to tell of the new one.
    eventually(lambda: "topic_replaced" in wrong(looked(source)))
    said = repaired(source)

    assert "the topic warehouse.public.invoice_transactions was made anew" in said
    assert f"the snapshot's end is in every partition ({topics.PARTITIONS + 2} records)" in said
