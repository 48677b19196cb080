from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from migration.errors import MigrationError
from migration.legacy import Address, parse, quoted


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("mysql://m:m@127.0.0.1:33306/rewards_program", Address("127.0.0.1", 33306, "rewards_program", "m", "m")),
        ("mariadb://m@server/rewards_program", Address("server", 3306, "rewards_program", "m", "")),
        ("mysql://server/rewards_program/", Address("server", 3306, "rewards_program", "", "")),
        ("mysql://u%40x:p%2F%23%3A%40%25%20%C3%A4@server/my%2Ddb", Address("server", 3306, "my-db", "u@x", "p/#:@% ä")),
        ("mysql://u:p@[::1]:3307/db", Address("::1", 3307, "db", "u", "p")),
    ],
)
def test_address_is_taken_apart(address: str, parsed: Address) -> None:
    assert parse(address) == parsed


@pytest.mark.parametrize(
    "address",
    [
        "",
        "rewards_program",
        "mysql://",
        "mysql:///rewards_program",
        "mysql://u:hunter2@server",
        "mysql://u:hunter2@server/",
        "postgresql://u:hunter2@server/db",
        "u:hunter2@server/db",
        "mysql:u:hunter2@server/db",
        "mysql://u:hunter2@server:port/db",
        "mysql://u:hunter2@server:99999/db",
        "mysql://u:hunter2@[server/db",
        "mysql://u:hunter2/hunter2@server/db",
        "mysql://u:12/hunter2@server/db",
        "mysql://u:#hunter2@server/db",
        "mysql://u:12#hunter2@server/db",
        "mysql://u:12?hunter2@server/db",
        "mysql://u:hun[ter2@server/db",
        "mysql://u:hunter2@server/db?ssl-ca=",
        "mysql://u:hunter2@server/db?ssl-ca",
        "mysql://u:hunter2@server/db?ssl_ca=/x",
        "mysql://u:hunter2@server/db?ssl-ca=/x&charset=utf8",
    ],
)
def test_address_that_is_none_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(MigrationError, match=r"--from .*mysql://user:password@server:3306/rewards_program") as refused:
        parse(address)

    assert "hunter2" not in str(refused.value)


def test_password_is_no_part_of_what_an_address_shows() -> None:
    address = parse("mysql://u:hunter2@server:3307/db")

    assert str(address) == "server:3307/db"
    assert "hunter2" not in repr(address)


@pytest.mark.parametrize(
    ("name", "sql"), [("users", "`users`"), ("a`b", "`a``b`"), ("users.email", "`users.email`"), ("my-db", "`my-db`")]
)
def test_name_is_quoted(name: str, sql: str) -> None:
    assert quoted(name) == sql


def test_authority_is_the_file_that_the_address_names(tmp_path: Path) -> None:
    file = tmp_path / "an authority é.pem"
    file.write_text("", encoding="utf-8")

    assert parse(f"mysql://m:m@server/db?ssl-ca={file}").authority == str(file)
    assert parse(f"mysql://m:m@server/db?ssl-ca={quote(str(file))}").authority == str(file)


def test_authority_that_is_no_file_is_told_with_where_to_find_it() -> None:
    with pytest.raises(MigrationError, match=r"there is no file /nowhere\.pem.*ssl_ca"):
        parse("mysql://u:hunter2@server/db?ssl-ca=/nowhere.pem")
