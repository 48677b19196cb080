"""The connector files against the topics, the tables and the rules that the stream relies on."""

from __future__ import annotations

import re

import pytest

from connectors.local import connect
from connectors.registration import Connector, deployed
from connectors.settings import PROJECT
from streams import topics
from streams.jobs import waiting
from streams.postgres.models import CustomerRewardGroup, Watermark
from streams.topic_admin import topic_settings

CONNECTORS = {one.name: one for one in deployed()}
CAPTURED = {
    "warehouse": ("invoice_transactions", topics.INVOICES),
    "rewards": ("customers_reward_groups", topics.MEMBERSHIPS),
}

READ = {
    "warehouse": (
        "transaction_id", "transaction_date", "transaction_type_rewards_invoice", "transaction_type_rewards_payment",
        "transaction_description", "transaction_amount", "transaction_retainage", "transaction_due_date", "customer_name",
        "customer_master_id", "company_abbreviation", "system_name", "product_line_name",
    ),
    "rewards": tuple(column.name for column in CustomerRewardGroup.__table__.columns),
}  # fmt: skip
"""What the stream reads; the customer's name is for showing."""
CUT = 4_000
TEXTS = {
    "warehouse": {
        "transaction_description": CUT, "customer_master_id": CUT, "company_abbreviation": CUT, "system_name": CUT,
        "product_line_name": CUT, "customer_name": 200,
    },
    "rewards": {"customer_master_id": CUT},
}  # fmt: skip


@pytest.fixture(params=sorted(CAPTURED))
def connector(request: pytest.FixtureRequest) -> Connector:
    return CONNECTORS[request.param]


def test_captured_table_and_watermarks_share_the_topic_that_the_stream_reads(connector: Connector) -> None:
    table, topic = CAPTURED[connector.name]
    configuration = connector.configuration

    own = f"{configuration['topic.prefix']}.public.{table}"
    router = re.compile(configuration["transforms.watermarks.regex"])
    assert configuration["transforms"] == "watermarks"
    assert configuration["transforms.watermarks.type"] == "org.apache.kafka.connect.transforms.RegexRouter"
    assert own == topic.name == connector.topic
    assert router.fullmatch(f"{configuration['topic.prefix']}.public.rewards_watermarks")
    assert not router.fullmatch(own)


def test_topic_that_connect_makes_is_as_ours_would_be(connector: Connector) -> None:
    _, topic = CAPTURED[connector.name]
    group = "topic.creation.captured."

    made = {
        name.removeprefix(group): value for name, value in connector.configuration.items() if name.startswith(group)
    }

    assert connector.configuration["topic.creation.groups"] == "captured"
    assert re.fullmatch(made.pop("include"), topic.name)
    assert made.pop("partitions") == str(topic.partitions)
    assert made.pop("replication.factor") == "-1"
    assert made == topic_settings(topic)


def test_watermarks_are_read_last_in_a_snapshot(connector: Connector) -> None:
    table, _ = CAPTURED[connector.name]

    # Read in this order by a single thread: the watermarks' `r` records must end the snapshot in each partition.
    assert connector.configuration["table.include.list"] == f"public.{table},public.rewards_watermarks"
    assert connector.configuration["snapshot.max.threads"] == "1"


def test_every_captured_table_is_keyed_by_customer(connector: Connector) -> None:
    tables = connector.configuration["table.include.list"].split(",")

    assert connector.configuration["message.key.columns"] == ";".join(f"{one}:customer_master_id" for one in tables)


def test_columns_that_somebody_reads_are_captured_and_no_other(connector: Connector) -> None:
    table, _ = CAPTURED[connector.name]
    captured = [name.rsplit(".", 1) for name in connector.configuration["column.include.list"].split(",")]

    assert [column for of, column in captured if of == "public.rewards_watermarks"] == [
        column.name for column in Watermark.__table__.columns
    ]
    assert [column for of, column in captured if of == f"public.{table}"] == list(READ[connector.name])
    assert len(captured) == len({*map(tuple, captured)}) == len(READ[connector.name]) + 3


def test_texts_are_cut_behind_what_is_accepted_so_that_a_record_is_bounded(connector: Connector) -> None:
    table, _ = CAPTURED[connector.name]
    cut = {
        name: int(characters)
        for option, names in connector.configuration.items()
        for characters in re.findall(r"^column\.truncate\.to\.(\d+)\.chars$", option)
        for name in names.split(",")
    }
    texts = {f"public.{table}.{column}": characters for column, characters in TEXTS[connector.name].items()}

    assert cut == texts
    # Six bytes are the most that JSON makes of a UTF-16 code unit; `before` and `after` have all of them.
    largest_value = 2 * 6 * sum(cut.values()) + 4 * 1024
    assert largest_value < 256 * 1024
    assert int(connect.FIXED["producer.max.request.size"]) == topics.CAPTURED_RECORD_BYTES_MAX
    assert largest_value < topics.CAPTURED_RECORD_BYTES_MAX < topics.RECORD_BYTES_MAX


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("decimal.handling.mode", "string"),
        ("skipped.operations", "none"),
        ("tombstones.on.delete", "true"),
        ("publication.autocreate.mode", "disabled"),
        ("key.converter.schemas.enable", "false"),
        ("value.converter.schemas.enable", "false"),
        ("snapshot.mode", "initial"),
        ("heartbeat.interval.ms", "5000"),
    ],
)
def test_option_that_the_stream_relies_on_is_set(connector: Connector, option: str, value: str) -> None:
    assert connector.configuration[option] == value


def test_heartbeat_marks_as_a_wait_does(connector: Connector) -> None:
    # `rewards wait` writes its mark with the heartbeat's statement, so that the stream cannot tell one from the other.
    marking, returning = waiting._MARK.split(" RETURNING ")

    assert connector.configuration["heartbeat.action.query"] == " ".join(marking.split())
    assert returning.strip() == "next.mark"
    # Evaluated once for all rows: volatile as it is, a function in the UPDATE would count a mark a row.
    assert "AS MATERIALIZED (SELECT nextval('public.rewards_watermark_marks') AS mark)" in marking


def test_connectors_differ_in_what_they_capture_alone() -> None:
    differing = {
        option
        for option in {*CONNECTORS["warehouse"].configuration, *CONNECTORS["rewards"].configuration}
        if CONNECTORS["warehouse"].configuration.get(option) != CONNECTORS["rewards"].configuration.get(option)
    }

    assert differing == {
        "database.hostname", "database.port", "database.dbname", "database.user", "database.password",
        "topic.prefix", "table.include.list", "column.include.list", "column.truncate.to.4000.chars",
        "column.truncate.to.200.chars", "message.key.columns", "slot.name", "publication.name",
        "transforms.watermarks.regex", "transforms.watermarks.replacement", "topic.creation.captured.include",
    }  # fmt: skip


def test_no_secret_and_no_address_stands_in_a_connector_file(connector: Connector) -> None:
    named = {key: value for key, value in connector.configuration.items() if key.startswith("database.")}

    assert named
    assert all(re.fullmatch(r"\$\{env:REWARDS_CAPTURE_[A-Z]+_[A-Z]+\}", value) for value in named.values())


def test_connectors_have_slots_and_publications_of_their_own() -> None:
    for option in ("slot.name", "publication.name", "topic.prefix"):
        assert len({one.configuration[option] for one in CONNECTORS.values()}) == len(CONNECTORS)


def test_warehouse_schema_publishes_what_is_captured() -> None:
    schema = (PROJECT / "connectors" / "warehouse" / "schema.sql").read_text()
    configuration = CONNECTORS["warehouse"].configuration

    tables = configuration["table.include.list"].replace(",", ", ")
    assert f"CREATE PUBLICATION {configuration['publication.name']} FOR TABLE {tables};" in schema


def test_alembic_publishes_what_is_captured_of_the_rewards_database() -> None:
    versions = (PROJECT / "migration" / "versions").glob("*.py")
    created = [
        found
        for version in versions
        for found in re.findall(r"CREATE PUBLICATION (\w+) FOR TABLE ([\w, ]+)", version.read_text())
    ]
    configuration = CONNECTORS["rewards"].configuration

    tables = configuration["table.include.list"].replace("public.", "").replace(",", ", ")
    assert created == [(configuration["publication.name"], tables)]


def test_sequence_of_the_marks_is_made_in_both_databases() -> None:
    schema = (PROJECT / "connectors" / "warehouse" / "schema.sql").read_text()
    versions = "".join(version.read_text() for version in (PROJECT / "migration" / "versions").glob("*.py"))

    assert "CREATE SEQUENCE IF NOT EXISTS public.rewards_watermark_marks;" in schema
    assert 'op.execute("CREATE SEQUENCE rewards_watermark_marks")' in versions


def test_watermark_table_is_the_same_in_both_databases() -> None:
    schema = (PROJECT / "connectors" / "warehouse" / "schema.sql").read_text()
    created = re.search(r"CREATE TABLE IF NOT EXISTS public.rewards_watermarks \((.*?)\) WITH", schema, re.DOTALL)

    assert created is not None
    columns = [line.split()[0] for line in created.group(1).strip().splitlines()]
    assert columns == [column.name for column in Watermark.__table__.columns]
    assert CustomerRewardGroup.__tablename__ == CAPTURED["rewards"][0]
