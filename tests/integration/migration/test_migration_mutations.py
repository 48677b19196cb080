"""The loader and the verification are independent: a fault in what either finds out is a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg2 import sql

from migration import acceptance, copytext, entries, expectation, extract, plain, transform
from migration.rules.references import Reference
from tests.integration.migration.databases import Legacy, New, compared, migrate

Mutate = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class Mutation:
    """A function that does something else."""

    name: str
    of: Any
    function: str
    mutate: Mutate


def _with(change: Callable[[Any], Any]) -> Mutate:
    """Change what comes back."""

    def mutate(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **named: change(original(*arguments, **named))

    return mutate


def _other_way_round(numbers: dict[Any, int]) -> dict[Any, int]:
    return dict(zip(numbers, reversed(numbers.values()), strict=True))


def _from_five(numbers: dict[Any, int]) -> dict[Any, int]:
    return {key: number + 4 for key, number in numbers.items()}


def _never(_original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *_arguments, **_named: None


def _form_of(rule: type, copied: str) -> Mutate:
    """Another value of a rule in SQL."""

    def mutate(original: Callable[..., Any]) -> Callable[..., Any]:
        def changed(one: Any, *sources: Any) -> Any:
            form = original(one, *sources)
            if form is None or not isinstance(one, rule):
                return form
            return plain.Form(form.plain, copied.format(form.copied), form.null, form.text)

        return changed

    return mutate


def _first_of_merged(merged: dict[Any, int]) -> dict[Any, int]:
    """The younger user takes the older one's place."""
    return {kept: user for user, kept in merged.items()}


def _lost_of(table_name: str) -> Mutate:
    """Nothing comes of a table's rows."""

    def mutate(original: Callable[..., Any]) -> Callable[..., Any]:
        def changed(extraction: Any, line: bytes) -> Any:
            return None if extraction._table.old == table_name else original(extraction, line)

        return changed

    return mutate


def _without_user(original: Callable[..., Any]) -> Callable[..., Any]:
    def changed(read: Any, table: Any, found: Any) -> Any:
        return [key for key in original(read, table, found) if (table.old, key) != ("users", 1)]

    return changed


def _unaccented(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value: original(value.replace("é", "e") if isinstance(value, str) else value)


LOADER = [
    Mutation("a user is not accepted", acceptance, "_accepted", _without_user),
    Mutation("places begin with five", acceptance, "_places", _with(_from_five)),
    Mutation("places are the other way round", acceptance, "_places", _with(_other_way_round)),
    Mutation("divisions are numbered the other way round", acceptance, "_numbered", _with(_other_way_round)),
    Mutation("divisions are numbered from five", acceptance, "_numbered", _with(_from_five)),
    Mutation("another user takes the place", acceptance, "_merged", _with(lambda _: {20: 1})),
    Mutation("the younger user stays", acceptance, "_merged", _with(_first_of_merged)),
    Mutation("master accounts keep their spelling", acceptance, "_spellings", _with(lambda _: {})),
    Mutation("the other spelling is taken", acceptance, "_spellings", _with(lambda found: {v: k for k, v in found.items()})),
    Mutation("one reference leads to another row", plain, "form", _form_of(Reference, "IF({0} = 3, 1, {0})")),
    Mutation("rows of the rules are lost", extract.Extraction, "_decided", _lost_of("prizes_redemptions")),
    Mutation("details are lost", transform.Transformer, "_encrypt", _with(
        lambda row: tuple(None if isinstance(value, bytes) else value for value in row))),
    Mutation("accents are lost", copytext, "written", _unaccented),
    Mutation("a refused row is not kept", transform.Notes, "refuse", _never),
    Mutation("no entries", entries.Log, "write", _never),
    Mutation("entries of one kind are missing", entries, "_subjects", _with(lambda part: part + sql.SQL(" WHERE t.id <> 1"))),
]  # fmt: skip
VERIFICATION = [
    Mutation("a user is not accepted", expectation, "_moving", _with(lambda keys: [key for key in keys if key != 2])),
    Mutation("everything is accepted", expectation, "_has_all", _with(lambda _: "1")),
    Mutation("divisions are numbered the other way round", expectation, "_division_ids", _with(_other_way_round)),
    Mutation("nobody is merged", expectation, "_merged", _with(lambda _: {})),
    Mutation("the younger user stays", expectation, "_merged", _with(_first_of_merged)),
    Mutation("master accounts keep their spelling", expectation, "_spellings", _with(lambda _: {})),
    Mutation("places begin with five", expectation, "_places", _with(_from_five)),
]


@pytest.fixture
def dirty(legacy: Legacy) -> Legacy:
    """The sample, with users of one e-mail, accounts in two spellings, chains of references and ties."""
    legacy.run(
        "ALTER TABLE users MODIFY email VARCHAR(255) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL",
        "INSERT INTO users VALUES (20, 2, 4, ' Joe@WASATCH.example', 'Joe', 'h', 's', 0, 0, NULL, NULL, NULL, 1, '2015-01-01 10:00:00')",
        "UPDATE prizes_redemptions SET u_id = 20 WHERE pr_id = 3",
        "INSERT INTO rewards_favorites VALUES (20, 7), (2, 7), (2, 12)",
        "UPDATE rewards SET master_acct_id = 'm-1001 ' WHERE r_id = 1",
        "INSERT INTO prizes_options VALUES (7, 77, 'Orphan', 1, 1, NULL, 4, 0, 0)",
        "INSERT INTO prizes_redemptions SELECT 60, NULL, 2, 1, 1, 7, 5, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
        " NULL, NULL, NULL, NULL, NULL, NULL, 1, '2019-04-01 00:00:00'",
        "UPDATE customers SET division_cd = 'src' WHERE customer_id = 'BT-000102'",
    )
    return legacy


def _named(legacy: Legacy, new: New) -> Iterable[str]:
    return [comparison.name for comparison in compared(legacy, new, merge_emails=True) if not comparison.same]


def test_without_a_fault_nothing_differs(dirty: Legacy, new: New) -> None:
    migrate(dirty, new, merge_emails=True)

    assert _named(dirty, new) == []


@pytest.mark.parametrize("mutation", LOADER, ids=lambda mutation: mutation.name)
def test_fault_of_the_loader_is_seen(dirty: Legacy, new: New, mutation: Mutation) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mutation.of, mutation.function, mutation.mutate(getattr(mutation.of, mutation.function)))
        migrate(dirty, new, merge_emails=True)

    assert _named(dirty, new) != []


@pytest.mark.parametrize("mutation", VERIFICATION, ids=lambda mutation: mutation.name)
def test_fault_of_the_verification_is_seen(dirty: Legacy, new: New, mutation: Mutation) -> None:
    migrate(dirty, new, merge_emails=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mutation.of, mutation.function, mutation.mutate(getattr(mutation.of, mutation.function)))
        assert _named(dirty, new) != []
