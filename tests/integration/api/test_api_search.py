"""The office finds customers by beginnings of words, whatever it types; what is found follows what the office writes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from tests.integration.api.conftest import SignIn
from tests.integration.api.ledger import Ledger
from tests.integration.api.servers import Postgres

ADMIN, JOE = "Admin@Example.com", "joe@wasatch.example"
Found = Callable[[str], list[str]]


@pytest.fixture
def found(sign_in: SignIn, ledger: Ledger) -> Found:
    """What the office finds."""
    admin = sign_in(ADMIN)

    def ask(text: str) -> list[str]:
        answer = admin.get("/api/customers", params={"q": text, "limit": 500})
        assert answer.status_code == 200, answer.text
        assert admin.get("/customers", params={"q": text}).status_code == 200
        return [row["customer_master_id"] for row in answer.json()["customers"]]

    return ask


@pytest.fixture
def office(postgres: Postgres, database: str) -> Iterator[Any]:
    """Plain SQL, each statement committed, as the application's role."""
    connection = psycopg2.connect(postgres.url(database))
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.mark.parametrize(
    "text", ["ünïcode", "unicode", "ÜNÏCODE", "Unicode", "unic", "homes ÜNI", "u", "h", "ho un m-1", "1012"]
)
def test_word_is_found_whatever_its_case_accents_and_place(found: Found, text: str) -> None:
    assert "M-1012" in found(text)
    assert "M-1012" in found(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("Peña & Sons", ["pena", "PEÑA", "sons & pena", "&"]),
        ("O’Neill-Smith Concrete", ["o'neill", "neill", "smith", "o’neill-sm", "concrete o'n"]),  # noqa: RUF001 -- as people write it
        ("Ødegård Straße", ["odegard", "ØDEGÅRD", "strasse", "STRASSE", "straße"]),
        ("ΣΟΦΟΣ Дом Ёлка", ["σοφος", "ΣΟΦΟΣ", "дом", "ДОМ", "елка"]),
        ("ﬁne Ⅳ works", ["fine", "iv", "FINE works"]),
        ("100% Off_Grid \\ Co", ["100%", "off_g", "\\", "grid", "100"]),
        ("🙂 Homes 🏠🏠", ["🙂", "🏠", "🏠🏠 homes"]),
        ("株式会社 丸太", ["株式", "丸太"]),
        ("İstanbul Kereste", ["istanbul", "ISTANBUL", "İSTANBUL"]),
    ],
)  # fmt: skip
def test_name_in_any_writing_is_found(found: Found, ledger: Ledger, name: str, texts: list[str]) -> None:
    ledger.member("X-1", 70, name=name)
    for text in [*texts, name, name.upper()]:
        assert "X-1" in found(text), text


def test_id_is_found_by_its_beginning_and_from_each_sign(found: Found, ledger: Ledger) -> None:
    ledger.member("ACME-2001/44.b", 70)
    for text in ("ACME-2001/44.b", "acme-20", "2001/44", "44.b", "b"):
        assert "ACME-2001/44.b" in found(text), text
    for text in ("cme", "ACME-2002", "001", "ACME_2001", "ACME-2001/44.b more", "-2001/45"):
        assert "ACME-2001/44.b" not in found(text), text


@pytest.mark.parametrize(
    "text",
    ["%", "_", "\\", "''", '"', "🙂", "a%", "*", ":*", "x" * 2000, "ü" * 2000, "é 🙂 " * 500, "\u0301", "\u202e"],
)
def test_odd_text_finds_nothing_or_is_no_word_at_all(found: Found, text: str) -> None:
    nothing_but_marks = not unicodedata.normalize("NFKD", text).strip("\u0301")
    assert len(found(text)) == (5 if nothing_but_marks else 0)


def test_text_of_many_words_means_all_of_them(found: Found, ledger: Ledger) -> None:
    words = [f"w{number}" for number in range(300)]
    ledger.member("X-1", 70, name=" ".join(words))
    assert found(" ".join(words)) == ["X-1"]
    assert found(" ".join(reversed(words[5:25]))) == ["X-1"]
    assert found(" ".join([*words, "q"])) == []
    assert found(" ".join(["w1"] * 600)) == ["X-1"]


@pytest.mark.parametrize("text", ["", " ", "\t\u00a0\u3000"])
def test_empty_text_finds_all(found: Found, text: str) -> None:
    assert len(found(text)) == 5


def test_long_ids_differ_behind_what_is_kept_of_them(found: Found, ledger: Ledger) -> None:
    ledger.member("L" * 2000, 70)
    ledger.member("é" * 1000, 71, name="ab" * 5000)
    assert found("l" * 50) == found("L" * 2000) == ["L" * 2000]
    assert found("E" * 20) == found("abababab") == ["é" * 1000]


def test_found_ones_are_paged_in_order(sign_in: SignIn, ledger: Ledger) -> None:
    for number in range(25):
        ledger.member(f"P-{number:03}", 100 + number, name=f"Granite {number} Granary")
    admin, after, seen = sign_in(ADMIN), "", []
    while after is not None:
        answer = admin.get("/api/customers", params={"q": "gran", "limit": 7, "after": after}).json()
        seen += [row["customer_master_id"] for row in answer["customers"]]
        after = answer["next_after"]
    assert seen == [f"P-{number:03}" for number in range(25)]


def test_customer_finds_only_its_own_group(sign_in: SignIn, ledger: Ledger) -> None:
    ledger.member("M-2222", 1)
    joe = sign_in(JOE)
    for text, ids in (
        ("wasatch", ["M-1001", "M-2222"]),
        ("2222 was", ["M-2222"]),
        ("unicode", []),
        ("m-1", ["M-1001"]),
    ):
        rows = joe.get("/api/customers", params={"q": text}).json()["customers"]
        assert [row["customer_master_id"] for row in rows] == ids


def test_what_is_found_follows_what_the_office_writes(found: Found, office: Any) -> None:
    office.execute("UPDATE reward_groups SET name = 'Timpanogos Framing' WHERE id = 1")
    assert (found("wasatch"), found("timpanogos")) == ([], ["M-1001"])
    office.execute("UPDATE customers_reward_groups SET reward_group_id = 2 WHERE customer_master_id = 'M-1001'")
    assert (found("timpanogos"), found("pena")) == ([], ["M-1001", "M-1002"])
    office.execute("UPDATE customers_reward_groups SET customer_master_id = 'N-7' WHERE customer_master_id = 'M-1001'")
    assert (found("m-1001"), found("n-7 pena")) == ([], ["N-7"])
    office.execute("UPDATE reward_groups SET status = 'hold'")
    assert found("pena") == ["M-1002", "N-7"]
    office.execute("DELETE FROM customers_reward_groups WHERE customer_master_id = 'N-7'")
    assert found("pena") == ["M-1002"]
    office.execute("SELECT count(*) FROM search_terms AS t WHERE NOT EXISTS (SELECT FROM customers_reward_groups AS c"
        " WHERE c.customer_master_id = t.customer_master_id)")  # fmt: skip
    assert office.fetchone() == (0,)
    for statement in ("DELETE FROM search_terms", "INSERT INTO search_terms VALUES ('a', 'b')"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            office.execute(statement)


def test_all_who_take_part_may_be_taken_away_at_once(found: Found, postgres: Postgres, database: str) -> None:
    with postgres.admin(database) as cursor:
        cursor.execute("TRUNCATE customers_reward_groups")
        cursor.execute("SELECT count(*) FROM search_terms")
        assert cursor.fetchone() == (0,)
    assert found("m") == []


def test_name_that_changes_while_a_customer_enrols_is_the_one_that_is_found(
    found: Found, postgres: Postgres, database: str, office: Any
) -> None:
    renaming = psycopg2.connect(postgres.url(database))
    enrolling = psycopg2.connect(postgres.url(database))
    try:
        with renaming.cursor() as cursor:
            cursor.execute("UPDATE reward_groups SET name = 'Renamed Framing' WHERE id = 1")
        with enrolling.cursor() as cursor:
            cursor.execute("SET lock_timeout = '300ms'")
            enrolling.commit()
            # It waits for the name, whatever that comes to be.
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                cursor.execute("INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at)"
                    " VALUES ('R-1', 1, '2020-01-01')")  # fmt: skip
        renaming.commit()
        office.execute("INSERT INTO customers_reward_groups (customer_master_id, reward_group_id, enrolled_at)"
            " VALUES ('R-1', 1, '2020-01-01')")  # fmt: skip
    finally:
        renaming.close()
        enrolling.close()
    assert found("renamed") == ["M-1001", "R-1"]
