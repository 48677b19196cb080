from __future__ import annotations

import hashlib

import pytest

from api.core.errors import NewPasswordRefused
from api.users import passwords
from api.users.pages import local_address
from api.users.passwords import check_new_password, hash_password, needs_new_hash, password_matches


def test_legacy_hash_matches_and_needs_a_new_one() -> None:
    legacy = hashlib.sha256("b2b2pässwörd".encode()).hexdigest()
    assert password_matches("pässwörd", legacy, "b2b2")
    assert not password_matches("password", legacy, "b2b2")
    assert needs_new_hash(legacy, "b2b2")


@pytest.mark.parametrize("salt", ["b2b2", "", "sälz€ ñ", "\\'\t"])
def test_legacy_hash_matches_in_any_case_and_with_any_salt(salt: str) -> None:
    legacy = hashlib.sha256((salt + "pässwörd €").encode()).hexdigest()
    for password_hash in (legacy, legacy.upper()):
        assert password_matches("pässwörd €", password_hash, salt)
        assert not password_matches("pässwörd", password_hash, salt)


def test_legacy_hash_that_is_none_matches_nothing() -> None:
    for password_hash in ("", "kein Häsh", "\udcff"):
        assert not password_matches("x", password_hash, "b2b2")


def check(password: str) -> None:
    legacy = hashlib.sha256(b"c3c3hunter2 hunter2").hexdigest()
    check_new_password(password, email="Maria.Pena@Example.com", old_hash=legacy, old_salt="c3c3")


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("", "at least 12"),
        ("elevenchars", "at least 12"),
        ("é" * 11, "at least 12"),
        ("x" * 1001, "at most 1,000"),
        (" MARIA.PENA@example.com", "e-mail address"),
        ("hunter2 hunter2", "another password than your old one"),
    ],
)
def test_new_password_that_is_not_taken_is_told_why(password: str, told: str) -> None:
    with pytest.raises(NewPasswordRefused, match=told):
        check(password)


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaa", "é" * 12, "x" * 1000, "            ", "123456789012", "passwordpassword", "qwertyuiop[]",
        "iloveyou12345", "maria.pena123", "sunroc rewards", "30.11.202630.11.2026",
    ],
)  # fmt: skip
def test_new_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(NewPasswordRefused, match=r"easy to guess.*A few words that only you"):
        check(password)


@pytest.mark.parametrize(
    "password", ["correct horse", "three peñas and a framer", "jHk38sdfh3kj!0", "aaZ9 kelp tundra " * 58]
)
def test_new_password_that_is_hard_to_guess_is_taken(password: str) -> None:
    check(password)


@pytest.mark.parametrize(
    ("password_hash", "salt"),
    [(None, None), (hashlib.sha256(b"b2b2x").hexdigest(), "b2b2"), (hash_password("x"), None), ("no hash", None)],
    ids=["unknown account", "legacy", "argon2", "no hash at all"],
)
def test_every_check_takes_the_time_of_one_argon2_check(
    password_hash: str | None, salt: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    class Counting:
        def verify(self, one: str, password: bytes) -> bool:
            if one.startswith("$argon2id$"):
                checked.append(one)
            return hasher.verify(one, password)

    hasher = passwords._HASHER
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    for password in ("x", "wrong"):
        checked.clear()
        password_matches(password, password_hash, salt)
        assert len(checked) == 1


def test_argon2_hash_matches_its_password_only() -> None:
    made = hash_password("correct horse")
    assert made.startswith("$argon2id$")
    assert password_matches("correct horse", made, None)
    assert not password_matches("wrong horse", made, None)
    assert not password_matches("x", "no hash at all", None)
    assert not needs_new_hash(made, None)


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "", "javascript:x", "/a\nb"]
)
def test_address_elsewhere_becomes_the_start_page(address: str) -> None:
    assert local_address(address) == "/"


def test_local_address_is_kept() -> None:
    assert local_address("/customers/M-1001?before=7") == "/customers/M-1001?before=7"
