"""What legacy servers answer differently, or because of their settings: on every server that is here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from connectors.local.mariadb_server import Server
from migration import legacy as legacy_server
from migration import lines, raw_rows, reading
from migration.errors import MigrationError
from tests.integration.migration.databases import At, Legacy, New, compared, differences, migrate, planned

pytestmark = pytest.mark.every_server

SMALL_PACKET = 65_536
MYSQL_5_5_PACKET = 1_048_576


@contextmanager
def server_with(server: Server, **variables: int) -> Iterator[None]:
    """A server with other settings for those who connect from now on."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        before = {}
        for name, value in variables.items():
            cursor.execute(f"SELECT @@GLOBAL.{name}")
            ((before[name],),) = cursor.fetchall()
            cursor.execute(f"SET GLOBAL {name} = {value}")
        try:
            yield
        finally:
            for name, value in before.items():
                cursor.execute(f"SET GLOBAL {name} = {value}")


def _write(legacy: Legacy, column: str, text: str) -> None:
    """A text in redemption 3, whose other values are plain, and nothing in the same column of redemption 2."""
    legacy.run(
        f"ALTER TABLE prizes_redemptions MODIFY {column} LONGTEXT",
        f"UPDATE prizes_redemptions SET {column} = {text} WHERE pr_id = 3",
        f"UPDATE prizes_redemptions SET {column} = NULL WHERE pr_id = 2",
    )


@pytest.mark.parametrize(
    ("packet", "text", "expected"),
    [
        # In hexadecimal it is larger than a packet; with the other columns; as it stands.
        (SMALL_PACKET, "REPEAT('x', 40000)", "x" * 40_000),
        (SMALL_PACKET, "CONCAT(REPEAT('x', 40000), 'é')", "x" * 40_000 + "é"),
        (SMALL_PACKET, "CONCAT(REPEAT('x', 65000), '\\t')", "x" * 65_000 + "\t"),
        (SMALL_PACKET, "REPEAT('é', 300000)", "é" * 300_000),
        (MYSQL_5_5_PACKET, "REPEAT('x', 600000)", "x" * 600_000),
        (MYSQL_5_5_PACKET, "REPEAT('x', 1100000)", "x" * 1_100_000),
        # Just on either side of what comes apart from the other rows.
        (SMALL_PACKET, f"REPEAT('é', {lines.LONG_BYTES})", "é" * lines.LONG_BYTES),
        (SMALL_PACKET, f"REPEAT('é', {lines.LONG_BYTES + 1})", "é" * (lines.LONG_BYTES + 1)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_text_of_any_length_moves_however_small_the_servers_packets_are(
    legacy: Legacy, new: New, packet: int, text: str, expected: str
) -> None:
    _write(legacy, "description", text)
    # Stored encrypted, and decrypted by the verification.
    _write(legacy, "passport_number", text)

    with server_with(legacy.server, max_allowed_packet=packet):
        migrate(legacy, new)

        assert differences(legacy, new) == []
    moved = "SELECT id, description, passport_number IS NULL FROM prize_redemptions WHERE id IN (2, 3) ORDER BY id"
    assert new.rows(moved) == [(2, None, True), (3, expected, False)]


def test_row_whose_line_no_server_can_build_moves_all_the_same(
    legacy: Legacy, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONG_BYTES", 10**9)
    _write(legacy, "description", "REPEAT('x', 300000)")

    with server_with(legacy.server, max_allowed_packet=SMALL_PACKET):
        figures = migrate(legacy, new)

        assert differences(legacy, new) == []
    assert sum(table.written for table in figures.tables) == 52
    assert new.value("SELECT length(description) FROM prize_redemptions WHERE id = 3") == 300_000


def test_text_that_is_lost_in_the_new_database_is_named_however_small_the_packets_are(legacy: Legacy, new: New) -> None:
    _write(legacy, "description", "REPEAT('x', 300000)")
    migrate(legacy, new)
    new.run("UPDATE prize_redemptions SET description = NULL WHERE id = 3")

    with server_with(legacy.server, max_allowed_packet=SMALL_PACKET):
        ((table, key, what),) = differences(legacy, new)

    assert (table, key) == ("prize_redemptions", "3")
    assert "description is None" in what


@pytest.mark.parametrize("what", ["run", "plan", "verify"])
def test_value_that_the_server_cannot_give_stops_everything_and_is_named(
    legacy: Legacy, new: New, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(legacy, "description", "REPEAT('x', 40000)")
    migrate(legacy, new)
    before = new.dump(besides=())

    def computed(table: str, column: str) -> str:
        """As a value would be read that the server had to compute."""
        value = legacy_server.raw_value(table, column)
        return f"REPEAT({value}, IF(LENGTH({value}) > 9999, 2, 1))" if "description" in column else value

    for module in (reading, raw_rows):
        monkeypatch.setattr(module, "raw_value", computed)
    do: dict[str, Callable[[], object]] = {
        "run": lambda: migrate(legacy, new),
        "plan": lambda: planned(legacy),
        "verify": lambda: compared(legacy, new),
    }
    with (
        server_with(legacy.server, max_allowed_packet=SMALL_PACKET),
        pytest.raises(MigrationError, match="table prizes_redemptions, key 3, column description: ") as stopped,
    ):
        do[what]()

    assert "SET GLOBAL max_allowed_packet = 1073741824" in str(stopped.value)
    assert new.dump(besides=()) == before


def test_warning_that_a_value_was_left_out_stops_the_reading(legacy: Legacy) -> None:
    with (
        server_with(legacy.server, max_allowed_packet=SMALL_PACKET),
        legacy_server.connected(legacy.url) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT CAST('2020-02-31' AS DATE)")
        assert cursor.fetchone() == (None,)
        assert cursor.fetchone() is None
        reading.require_computed(cursor, "users")

        cursor.execute("SELECT REPEAT('x', 100000)")
        assert cursor.fetchone() == (None,)
        assert cursor.fetchone() is None
        with pytest.raises(MigrationError, match=r"table users: .*max_allowed_packet"):
            reading.require_computed(cursor, "users")


def test_settings_of_the_server_change_nothing(legacy: Legacy, new: New, another_new: New) -> None:
    migrate(legacy, new)

    with server_with(legacy.server, sql_select_limit=2, autocommit=0, group_concat_max_len=4, max_error_count=0):
        planned(legacy)
        migrate(legacy, another_new)

        assert differences(legacy, another_new) == []
    assert another_new.dump() == new.dump()


def test_session_has_values_of_its_own(legacy: Legacy) -> None:
    shown = {"''": "", "NULL": "", "1": "ON", "0": "OFF"}

    with (
        server_with(legacy.server, sql_select_limit=2, autocommit=0, wait_timeout=2, net_read_timeout=2),
        legacy_server.connected(legacy.url) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SHOW SESSION VARIABLES")
        found = {name.decode(): value.decode() for name, value in cursor.fetchall()}

    known = {name: value for name, value in legacy_server.SESSION.items() if name in found}
    assert known.keys() >= {"sql_select_limit", "autocommit", "wait_timeout", "net_read_timeout", "max_statement_time"}
    for name, value in known.items():
        assert found[name] in (value, shown.get(value), f"{value}.000000"), name


@pytest.mark.parametrize("what", ["run", "plan", "verify"])
def test_rows_that_the_server_does_not_give_stop_everything(
    legacy: Legacy, new: New, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "verify":
        migrate(legacy, new)
    before = new.dump(besides=())
    begin_snapshot = legacy_server.begin_snapshot

    def limited(connection: legacy_server.Connection) -> None:
        begin_snapshot(connection)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_select_limit = 2")

    monkeypatch.setattr(legacy_server, "begin_snapshot", limited)
    do: dict[str, Callable[[], object]] = {
        "run": lambda: migrate(legacy, new),
        "plan": lambda: planned(legacy),
        "verify": lambda: compared(legacy, new),
    }

    with pytest.raises(MigrationError, match=r"table \w+: [12] rows were read, and the legacy server counts \d"):
        do[what]()

    assert new.dump(besides=()) == before


@pytest.mark.parametrize(
    "change", ["DELETE FROM customers LIMIT 1", "INSERT INTO customers (customer_id) VALUES ('Z')"]
)
def test_table_without_transactions_that_somebody_writes_to_stops_everything(
    legacy: Legacy, new: New, change: str
) -> None:
    legacy.run("ALTER TABLE customers ENGINE = MyISAM")
    before = new.dump(besides=())

    with pytest.raises(MigrationError, match=r"table customers: \d+ rows were read, and .* without transactions"):
        migrate(legacy, new, allow_myisam=True, progress=At("rewards", lambda: legacy.run(change)))

    assert new.dump(besides=()) == before
