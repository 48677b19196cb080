"""`rewards encryption rotate` over what the migration's report keeps encrypted."""

from __future__ import annotations

import base64
import subprocess
import sys
from contextlib import closing

import psycopg2
import psycopg2.errors
import pytest

from api.core.encryption import FieldCipher, new_key
from api.core.errors import DecryptionError
from connectors.settings import PROJECT
from migration import rotation
from migration.transform import finding_place, reject_place
from tests.integration.migration.databases import KEY, Legacy, New, migrate, surroundings

NEWER = new_key()
UNDER_NEWER = FieldCipher.from_setting(NEWER)


@pytest.fixture
def reported(legacy: Legacy, new: New) -> New:
    """Findings about personal details, refused rows with and without them, and details that moved."""
    row = (
        "INSERT INTO prizes_redemptions SELECT {0}, NULL, {1}, 1, 1, 1, 5, 0, 0, 0, 0, NULL, NULL, NULL, '{2}', NULL, NULL, NULL, '{3}',"
        " NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, '2019-04-01 00:00:00'"
    )
    legacy.run(*(row.format(100 + n, 2, "1980-00-00", f"P\\0{n}") for n in range(5)))
    legacy.run(*(row.format(200 + n, 400, "1969-07-20", f"Q{n}") for n in range(5)))
    migrate(legacy, new)
    return new


def _rotate(new: New, keys: str) -> subprocess.CompletedProcess[str]:
    environment = surroundings(None, REWARDS_DATABASE_URL=new.postgres.url(new.name), REWARDS_FIELD_KEYS=keys)
    return subprocess.run(
        [sys.executable, "-m", "cli", "encryption", "rotate"], env=environment, cwd=PROJECT, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def _opened(new: New, cipher: FieldCipher) -> list[str]:
    """Everything that the report keeps encrypted."""
    found = [
        cipher.decrypt(old, finding_place(table, key, column))
        for table, key, column, old in new.rows(
            "SELECT table_name, key, column_name, old FROM migration_findings WHERE encrypted ORDER BY length(key), key, column_name"
        )
    ]
    for table, key, content in new.rows(
        "SELECT table_name, key, content FROM migration_rejects ORDER BY length(key), key"
    ):
        for column, value in content.items():
            if isinstance(value, dict):
                stored = base64.b64decode(value["encrypted"])
                found.append(cipher.decrypt(stored, reject_place(table, key, column)))
    return found


def test_rotation_brings_the_report_under_the_first_key(
    reported: New, legacy: Legacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH_ROWS", 2)
    before = _opened(reported, FieldCipher.from_setting(KEY))
    assert len(before) == 1 + 2 * 5 + 2 * 5

    done = _rotate(reported, f"{NEWER},{KEY}")

    # The redemptions' own: passport numbers of seven rows, and a birth date.
    assert (done.returncode, done.stdout) == (0, f"{len(before) + 7} values encrypted anew.\n"), done
    assert _opened(reported, UNDER_NEWER) == before
    assert _rotate(reported, NEWER).stdout == "0 values encrypted anew.\n"
    # A later run finds nothing that changed.
    figures = migrate(legacy, reported, cipher=UNDER_NEWER)
    assert sum(table.written + table.changed + table.own for table in figures.tables) == 0


def test_value_whose_key_is_lost_is_named_and_left_as_it_is(reported: New) -> None:
    before = reported.dump()

    done = _rotate(reported, NEWER)

    assert done.returncode == 1
    assert "28 in all were left as they are" in done.stderr
    assert reported.dump() == before
    with pytest.raises(DecryptionError):
        _opened(reported, UNDER_NEWER)


@pytest.mark.parametrize("statement", ["UPDATE migration_findings SET new = 'x'", "DELETE FROM migration_rejects"])
def test_application_may_change_what_is_encrypted_and_nothing_else(reported: New, statement: str) -> None:
    with closing(psycopg2.connect(reported.postgres.url(reported.name))) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE migration_findings SET old = old")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
