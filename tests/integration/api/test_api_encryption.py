"""`rewards encryption`: keys are made, and what is stored is brought under a new one."""

from __future__ import annotations

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.commands import encryption_app
from api.core.database import Database
from api.core.encryption import FieldCipher, new_key
from api.core.errors import DecryptionError
from api.rotation import commands as rotation_commands
from api.rotation.commands import Rotation, rotate
from streams.errors import TransientError
from tests.integration.api.redemptions import BORN, PASSPORT, encrypted, redeem
from tests.integration.api.servers import Postgres, free_port

OLD, NEW = new_key(), new_key()
UNDER_OLD, UNDER_NEW, BOTH = (FieldCipher.from_setting(keys) for keys in (OLD, NEW, f"{NEW},{OLD}"))
Rows = list[tuple[int, bytes | None, bytes | None]]


@pytest.fixture(autouse=True)
def settings(postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both keys, the new one in front, and seven redemptions under the old one."""
    monkeypatch.setenv("REWARDS_DATABASE_URL", postgres.url(database))
    monkeypatch.setenv("REWARDS_FIELD_KEYS", f"{NEW},{OLD}")
    monkeypatch.setattr(rotation_commands, "BATCH_ROWS", 2)
    for number in range(1, 8):
        birthdate = None if number == 3 else BORN
        redeem(postgres, database, number, **encrypted(number, birthdate, f"{PASSPORT} {number}", UNDER_OLD))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(encryption_app(), arguments)


def rows_of(postgres: Postgres, database: str) -> Rows:
    with postgres.admin(database) as cursor:
        cursor.execute("SELECT id, birthdate, passport_number FROM prize_redemptions ORDER BY id")
        return [
            (number, *(None if value is None else bytes(value) for value in values))
            for number, *values in cursor.fetchall()
        ]  # type: ignore[misc]


def readable(rows: Rows, cipher: FieldCipher) -> bool:
    """Whether every value is what it was, under keys of this cipher."""
    return all(
        cipher.decrypt(passport, f"prize_redemptions.passport_number {number}") == f"{PASSPORT} {number}"
        and (birthdate is None or cipher.decrypt(birthdate, f"prize_redemptions.birthdate {number}") == BORN)
        for number, birthdate, passport in rows
        if passport is not None
    )


def test_new_key_is_printed_and_can_be_used() -> None:
    printed = run("new-key").output
    assert printed != run("new-key").output
    FieldCipher.from_setting(printed)


def test_rotation_brings_everything_under_the_first_key_once(postgres: Postgres, database: str) -> None:
    done = run("rotate")
    assert (done.exit_code, done.stdout) == (0, "13 values encrypted anew.\n")
    rows = rows_of(postgres, database)
    assert readable(rows, UNDER_NEW)
    # As a migration under the new key would have written it.
    assert rows == [
        (number, *encrypted(number, None if number == 3 else BORN, f"{PASSPORT} {number}", UNDER_NEW).values())
        for number in range(1, 8)
    ]
    again = run("rotate")
    assert (again.exit_code, again.stdout) == (0, "0 values encrypted anew.\n")
    assert rows_of(postgres, database) == rows


def test_rotation_that_is_interrupted_goes_on_where_it_was(postgres: Postgres, database: str) -> None:
    def interrupt(rotation: Rotation) -> None:
        if rotation.rewritten >= 4:
            raise KeyboardInterrupt

    website = Database(postgres.url(database), connections=2)
    try:
        with pytest.raises(KeyboardInterrupt):
            rotate(website, BOTH, interrupt)
    finally:
        website.close()
    rows = rows_of(postgres, database)
    current = [BOTH.is_current(value) for _, *values in rows for value in values if value is not None]
    assert (sum(current), len(current)) == (4, 13)
    assert readable(rows, BOTH)
    assert run("rotate").stdout == "9 values encrypted anew.\n"
    assert readable(rows_of(postgres, database), UNDER_NEW)


def test_value_that_cannot_be_decrypted_is_named_and_holds_up_no_other(postgres: Postgres, database: str) -> None:
    lost = encrypted(5, BORN, PASSPORT, FieldCipher.from_setting(new_key()))["passport_number"]
    with postgres.admin(database) as cursor:
        cursor.execute("UPDATE prize_redemptions SET passport_number = %s WHERE id = 5", (lost,))
        cursor.execute(
            "UPDATE prize_redemptions SET passport_number ="
            " (SELECT passport_number FROM prize_redemptions WHERE id = 1) WHERE id = 6"
        )
    done = run("rotate")
    assert (done.exit_code, done.stdout) == (1, "11 values encrypted anew.\n")
    assert "prize_redemptions.passport_number 5 cannot be decrypted: no key of REWARDS_FIELD_KEYS has" in done.stderr
    assert "prize_redemptions.passport_number 6 cannot be decrypted: it was changed" in done.stderr
    assert "2 in all were left as they are" in done.stderr
    for secret in (PASSPORT, BORN, OLD, NEW):
        assert secret not in done.output
    assert rows_of(postgres, database)[4][2] == lost
    assert run("rotate").exit_code == 1


def test_rotation_without_its_database_says_so_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDS_DATABASE_URL", f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/x")
    with pytest.raises(TransientError, match="does not answer") as refused:
        CliRunner().invoke(encryption_app(), ["rotate"], catch_exceptions=False)
    assert "hidden" not in str(refused.value)


def test_rotation_without_the_old_key_changes_nothing(
    postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(postgres, database)
    monkeypatch.setenv("REWARDS_FIELD_KEYS", NEW)
    done = run("rotate")
    assert done.exit_code == 1
    assert done.stderr.count("cannot be decrypted: no key of REWARDS_FIELD_KEYS has the id") == 10
    assert "13 in all" in done.stderr
    assert rows_of(postgres, database) == rows
    with pytest.raises(DecryptionError):
        readable(rows, UNDER_NEW)
